// A study as its author wrote it: a question, a base configuration, variants as changes to it.
//
//   { "study": "retention", "question": "...",
//     "base": { "model": {...}, "data": {...}, "train": {...}, "evaluate": [ {"task": "perplexity"}
//     ],
//               "measure": {...} },
//     "variants": { "llama": {}, "subllm": { "model.architecture": "subllm" } },
//     "sweep": { "subllm": { "model.retention": [0.8, 0.64] } },
//     "probes": { "recall": { "set": { "data.train_on": "recall" }, "variants": { "llama": {} } }
//     }, "tune": { "train.learning_rate": [1e-3, 3e-3], "widen": 2,
//                  "set": { "train.tokens": 100000 } },
//     "seeds": [1, 2, 3], "threads": 1, "compare_to": "llama", "comparisons": [["subllm",
//     "llama"]], "scaling": { "llama": ["llama_s", "llama_m", "llama_l"], "subllm": [...] } }
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/fields.h"
#include "core/files.h"
#include "core/schema/equivalence.h"
#include "core/schema/measure_config.h"

namespace sublab {

/// Dotted keys and their values, applied to the base in order.
using Changes = std::vector<std::pair<std::string, json>>;

/// Threads that a process may be asked for.
inline constexpr int64_t kMostThreads = 1024;

struct Variant {
  std::string name;
  Changes changes;
};

/// Short trials of their own for some variants; their metric fills a column of those variants'
/// rows.
struct Probe {
  std::string name;
  Changes set;  ///< applied to every variant of the probe, after the variant's own
  std::vector<Variant> variants;  ///< further changes per variant
};

/// A learning rate (or another key) per variant, chosen by validation loss among trials of their
/// own.
struct Tune {
  std::string key;  ///< "" = no tuning
  std::vector<json> values;
  int64_t widen = 2;  ///< at most so many further values where the best is at an edge
  Changes set;        ///< applied to tuning trials
};

struct Study {
  std::string file;  ///< where it was read from; stands before paths in messages
  std::string text;  ///< what it was read from, with assignments made in it
  std::string name;
  std::string question;
  json base = json::object();
  std::vector<Variant> variants;  ///< sweeps expanded: "subllm/retention=0.8"
  std::vector<Probe> probes;
  Tune tune;
  std::vector<int64_t> seeds = {1};
  int64_t threads = 0;  ///< of each trial; 0 = $OMP_NUM_THREADS, else the machine's cores
  std::string compare_to;
  /// Which pairs the study compares; the report corrects its p-values over them. Empty = every
  /// variant with compare_to.
  std::vector<std::pair<std::string, std::string>> comparisons;
  EquivalenceMargins equivalence;
  /// Ladders of sizes: curve -> variants, smallest first. One of them holds compare_to.
  std::map<std::string, std::vector<std::string>> scaling;
  json match = json::array();
  bool has_measure = false;
  MeasureConfig measure;
  json claims = json::array();
};

/// Reads a study strictly. `assignments` ("model.n_heads=8") change the base, `threads` its count.
/// Throws UserError.
Study read_study(const fs::path& path, const std::vector<std::string>& assignments,
                 std::optional<int64_t> threads = {});

}  // namespace sublab
