// Hashes of what names stand for: corpora, tokenizers, checkpoints.
#include "experiments/text/content.h"

#include "core/safetensors.h"
#include "core/schema/checkpoint_path.h"
#include "data/corpus.h"
#include "data/tokenizer.h"

namespace sublab {
namespace {

/// The hash of a split of each corpus; a corpus that is not prepared has its name alone.
json text_of(const DataConfig& data, const PlanContent& content,
             std::string CorpusContent::*split) {
  json out = json::array();
  for (const std::string& name : data.corpus) {
    const CorpusContent* known = content.corpus(name);
    out.push_back(known ? known->*split : "not prepared: " + name);
  }
  return out;
}

}  // namespace

bool is_prepared(const std::string& corpus) {
  return fs::exists(corpus_folder(corpus) / "manifest.json");
}

void add_content(const DataConfig& data, PlanContent& content) {
  if (!data.on_text()) return;
  for (const std::string& name : data.corpus) {
    if (content.corpus(name) || !is_prepared(name)) continue;
    const CorpusManifest manifest = read_manifest(name);
    content.corpora.push_back({name, manifest.version, manifest.train.sha256,
                               manifest.validation.sha256, manifest.test.sha256});
  }
  const bool is_file = data.tokenizer.ends_with(".model");
  if (is_file && !find_hash(content.tokenizers, data.tokenizer))
    content.tokenizers.push_back({data.tokenizer, *known_tokenizer_hash(data.tokenizer, {}, 0)});
}

json training_identity(const DataConfig& data, const PlanContent& content) {
  json out = write_fields(data);
  out.erase("corpus");
  out.erase("tokenizer");
  if (!data.on_text()) return out;
  out["corpus"] = text_of(data, content, &CorpusContent::train);
  const std::string* hash = find_hash(content.tokenizers, data.tokenizer);
  out["tokenizer"] = hash ? *hash : data.tokenizer;
  return out;
}

json evaluation_identity(const json& task, const DataConfig& data, const PlanContent& content) {
  if (!data.on_text()) return nullptr;
  if (task.value("split", "") == "test") return text_of(data, content, &CorpusContent::test);
  if (task.contains("split")) return text_of(data, content, &CorpusContent::validation);
  return nullptr;
}

void check_content(const PlanContent& planned, const TrialConfig& config) {
  PlanContent now;
  add_content(config.data, now);
  if (find_hash(planned.checkpoints, config.train.from))
    now.checkpoints.push_back(
        {config.train.from, weights_hash(find_checkpoint(config.train.from))});
  const auto differences = content_differences(planned, now);
  if (differences.empty()) return;
  throw UserError("plan.json", join(differences, "; ") +
                                   ": what the plan names is not what is here; bring it back, or "
                                   "run the study into a new folder (--out)");
}

}  // namespace sublab
