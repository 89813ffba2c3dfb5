#include "experiments/resolve_checks.h"

#include <algorithm>

#include "data/corpus.h"

namespace sublab {

void check_split(const DataConfig& data, Split split, const std::string& who,
                 const std::string& where) {
  if (data.train_on != "text") return;
  for (const std::string& name : data.corpus)
    if (!fs::exists(corpus_folder(name) / "manifest.json")) return;
  const auto empty = empty_splits(data.corpus);
  if (std::find(empty.begin(), empty.end(), split) != empty.end())
    throw UserError(where + "/data/corpus",
                    "no document of " + join(data.corpus) + " fell into the " + split_name(split) +
                        " split, which " + who + " needs; import more, or shorter, documents");
}

void check_splits(const TrialConfig& config, const std::string& where) {
  check_split(config.data, Split::train, "training", where);
  for (const json& task : config.evaluate)
    for (const Split split : kSplits)
      if (task.value("split", json()) == split_name(split))
        check_split(config.data, split, "task " + task.at("task").get<std::string>(), where);
}

void check_trained_length(const TrialConfig& config, int64_t context_len,
                          const std::string& where) {
  if (config.train.tokens > 0) return;
  for (size_t i = 0; i < config.evaluate.size(); ++i) {
    const json& task = config.evaluate[i];
    const auto window = task.value("window", int64_t{0});
    if (window > context_len && !task.value("extrapolate", false))
      throw UserError(where + "/evaluate/" + std::to_string(i) + "/window",
                      std::to_string(window) + " is above the " + std::to_string(context_len) +
                          " tokens of a row that the weights of train.from were trained on; "
                          "\"extrapolate\": true allows it");
  }
}

}  // namespace sublab
