// Runs the program as a user does: in a process of its own, with a cache and a corpus of its own.
#pragma once

#include <sys/wait.h>

#include <cstdlib>
#include <string>

#include "core/fields.h"
#include "core/random.h"
#include "tests/temporary_folder.h"

namespace sublab {

struct Ran {
  int code = 0;  ///< exit code, or 128 + signal
  std::string out, err;
};

inline constexpr const char* kTinyStudy = R"json({
  "study": "tiny", "question": "Does it run?",
  "base": {
    "model": {"architecture": "llama", "d_model": 16, "n_layers": 2, "n_heads": 2},
    "data": {"corpus": ["notes"], "tokenizer": "bytes", "context_len": 32},
    "train": {"tokens": 4096, "batch_tokens": 256, "learning_rate": 0.003},
    "evaluate": [{"task": "perplexity", "max_tokens": 500}]},
  "variants": {"llama": {},
               "subllm": {"model.architecture": "subllm", "model.structure": "T(T)"}},
  "compare_to": "llama"})json";

/// A folder with a small corpus "notes" in a cache of its own.
class Workplace {
 public:
  Workplace() {
    ::setenv("SUBLAB_ROOT", SUBLAB_SOURCE_ROOT, 1);
    RandomSequence random(7);
    for (int i = 0; i < 60; ++i) {
      std::string text = "Note " + std::to_string(i) + ".";
      for (int w = 0; w < 40 + i; ++w)
        text += " word" + std::to_string(random.below(30)) + (w % 9 == 8 ? ".\n" : "");
      write("notes/" + std::to_string(i) + ".txt", text);
    }
    run("corpus import notes notes");
  }

  fs::path path(const std::string& name) const { return cache_.path / name; }
  void write(const std::string& name, const std::string& text) const {
    write_file_durably(path(name), text);
  }

  /// Runs "sublab `arguments`" in the folder; `prefix` stands before the program's name.
  Ran run(const std::string& arguments, const std::string& prefix = "",
          const std::string& program = SUBLAB_PROGRAM) const {
    const std::string line = "cd " + cache_.path.string() + " && " + prefix + " " + program + " " +
                             arguments + " >out.txt 2>err.txt";
    const int status = std::system(line.c_str());
    return {WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status),
            read_file(path("out.txt")), read_file(path("err.txt"))};
  }

  /// A `train` of seconds into folder `name`; `more` are further options.
  std::string train_arguments(const std::string& name, const std::string& more = "") const {
    return "train " + name +
           " --set data.corpus='[\"notes\"]' --set data.tokenizer=bytes --set data.context_len=32"
           " --set train.tokens=2048 --set train.batch_tokens=256 --set model.d_model=16"
           " --set model.n_heads=2 " +
           more;
  }

  /// A study of seconds; `edits` are merge-patched over it.
  json study(const json& edits = json::object()) const {
    json study = json::parse(kTinyStudy);
    study.merge_patch(edits);
    return study;
  }

 private:
  TemporaryCache cache_;
};

}  // namespace sublab
