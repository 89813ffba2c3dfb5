// Looks names up in what a plan knows of their content.
#include "core/schema/plan_content.h"

#include "core/schema/metrics.h"

namespace sublab {
namespace {

std::string difference(const CorpusContent& before, const CorpusContent& now) {
  const auto differ = [](const std::string& a, const std::string& b) {
    return !a.empty() && !b.empty() && a != b;  // "" = not known
  };
  std::vector<std::string> splits;
  if (differ(before.train, now.train)) splits.push_back("train");
  if (differ(before.validation, now.validation)) splits.push_back("validation");
  if (differ(before.test, now.test)) splits.push_back("test");
  if (splits.empty()) return "";
  std::string out =
      "corpus '" + now.name + "' has another content now (" + join(splits, ", ") + " text differs";
  if (before.version != now.version)
    out += "; package version " + now.version + " instead of " + before.version;
  return out + ")";
}

void add_differences(const std::vector<NamedHash>& before, const std::vector<NamedHash>& now,
                     const std::string& kind, std::vector<std::string>& out) {
  for (const NamedHash& each : now)
    if (const std::string* hash = find_hash(before, each.name); hash && *hash != each.hash)
      out.push_back(kind + " '" + each.name + "' has another content now (hash " +
                    each.hash.substr(0, 16) + " instead of " + hash->substr(0, 16) + ")");
}

}  // namespace

const CorpusContent* PlanContent::corpus(const std::string& name) const {
  for (const CorpusContent& each : corpora)
    if (each.name == name) return &each;
  return nullptr;
}

json without_folder(json task) {
  if (task.is_object() && task.contains(condition::kContent)) task.erase(condition::kFolder);
  return task;
}

const std::string* find_hash(const std::vector<NamedHash>& list, const std::string& name) {
  for (const NamedHash& each : list)
    if (each.name == name) return &each.hash;
  return nullptr;
}

std::vector<std::string> content_differences(const PlanContent& before, const PlanContent& now) {
  std::vector<std::string> out;
  for (const CorpusContent& each : now.corpora)
    if (const CorpusContent* known = before.corpus(each.name))
      if (const std::string text = difference(*known, each); !text.empty()) out.push_back(text);
  add_differences(before.tokenizers, now.tokenizers, "tokenizer", out);
  add_differences(before.checkpoints, now.checkpoints, "checkpoint", out);
  return out;
}

}  // namespace sublab
