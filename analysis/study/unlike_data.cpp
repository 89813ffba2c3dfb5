// Collects what each name of text or tokenizer was found to stand for.
#include "analysis/study/unlike_data.h"

#include <set>

#include "core/schema/metrics.h"
#include "core/schema/trial_config.h"

namespace sublab {
namespace {

std::string text_at(const json& object, const char* key) {
  const json value = object.is_object() ? object.value(key, json("")) : json("");
  return value.is_string() ? value.get<std::string>() : "";
}

/// Everything that one name was found to stand for.
struct Found {
  std::string what;                                        ///< "train text of corpus 'notes'"
  std::map<std::string, std::vector<std::string>> owners;  ///< hash -> who says so
  std::set<std::string> records;                           ///< ids
};

class Collector {
 public:
  void add_plan(const PlanContent& content) {
    for (const CorpusContent& corpus : content.corpora) add_corpus(corpus, "the plan", "");
    for (const NamedHash& file : content.tokenizers)
      add("tokenizer '" + file.name + "'", file.hash, "the plan", "");
  }

  void add_record(const Record& record) {
    const json data = record.config.value("data", json::object());
    if (train_task_of(data.value("train_on", json("text"))) != "text") return;
    const std::string owner = record.variant + "@" + std::to_string(record.seed) +
                              (record.probe.empty() ? "" : " (" + record.probe + ")");
    for (const CorpusContent& corpus : content_of(record).corpora)
      add_corpus(corpus, owner, record.id);
    const std::string hash = text_at(record.provenance, "tokenizer_hash");
    const std::string spec = text_at(data, "tokenizer");
    if (hash.empty() || spec == "bytes") return;
    if (spec.ends_with(".model")) return add("tokenizer '" + spec + "'", hash, owner, record.id);
    // A trained one follows from its text, too.
    const json corpora = data.value("corpus", json::array());
    trained_.push_back({"tokenizer '" + spec + "' of " + corpora.dump() + " (at most " +
                            data.value("bytes_per_source", json(0)).dump() + " bytes each)",
                        hash, owner, record.id, corpora});
  }

  UnlikeData result() {
    for (const Trained& each : trained_)
      if (!of_unlike_text(each.corpora)) add(each.what, each.hash, each.owner, each.record);
    UnlikeData out;
    for (const auto& [name, found] : found_) {
      if (found.owners.size() < 2 || is_said_of_train(name)) continue;
      out.sentences.push_back(sentence(found));
      for (const std::string& id : found.records) out.refused.emplace(id, out.sentences.back());
    }
    return out;
  }

 private:
  struct Trained {
    std::string what, hash, owner, record;
    json corpora;
  };

  void add(const std::string& what, const std::string& hash, const std::string& owner,
           const std::string& record) {
    if (hash.empty()) return;
    Found& found = found_[what];
    found.what = what;
    found.owners[hash].push_back(owner);
    if (!record.empty()) found.records.insert(record);
  }

  void add_corpus(const CorpusContent& corpus, const std::string& owner,
                  const std::string& record) {
    const std::string of = " text of corpus '" + corpus.name + "'";
    const std::string version =
        corpus.version.empty() ? "" : " of package version " + corpus.version;
    add("train" + of, corpus.train, owner + version, record);
    add("validation" + of, corpus.validation, owner + version, record);
    add("test" + of, corpus.test, owner + version, record);
  }

  /// Of a corpus whose train text differs the other splits need no sentence of their own.
  bool is_said_of_train(const std::string& name) const {
    const size_t of = name.find(" text of corpus ");
    if (of == std::string::npos || name.starts_with("train ")) return false;
    const auto train = found_.find("train" + name.substr(of));
    return train != found_.end() && train->second.owners.size() > 1;
  }

  bool of_unlike_text(const json& corpora) const {
    if (!corpora.is_array()) return false;
    for (const json& name : corpora) {
      const auto found = found_.find("train text of corpus '" +
                                     (name.is_string() ? name.get<std::string>() : "") + "'");
      if (found != found_.end() && found->second.owners.size() > 1) return true;
    }
    return false;
  }

  static std::string sentence(const Found& found) {
    std::string out = "the " + found.what + " is not the same in all records: ";
    for (const auto& [hash, owners] : found.owners) {
      constexpr size_t kNamed = 3;
      std::vector<std::string> named(
          owners.begin(),
          owners.begin() + static_cast<std::ptrdiff_t>(std::min(owners.size(), kNamed)));
      if (owners.size() > kNamed)
        named.push_back("and " + std::to_string(owners.size() - kNamed) + " more");
      out += (out.ends_with(": ") ? "" : "; ") + hash.substr(0, 8) + " in " + join(named);
    }
    return out + ". Their losses are not comparable";
  }

  std::map<std::string, Found> found_;
  std::vector<Trained> trained_;
};

}  // namespace

PlanContent content_of(const Record& record) {
  PlanContent out;
  const json corpora = record.provenance.value("corpora", json::object());
  if (corpora.is_object())
    for (const auto& [name, each] : corpora.items())
      out.corpora.push_back({name, text_at(each, "version"), text_at(each, "train_sha256"),
                             text_at(each, "validation_sha256"), text_at(each, "test_sha256")});
  const std::string spec = text_at(record.config.value("data", json::object()), "tokenizer");
  const std::string hash = text_at(record.provenance, "tokenizer_hash");
  if (spec.ends_with(".model") && !hash.empty()) out.tokenizers.push_back({spec, hash});
  return out;
}

UnlikeData unlike_data(const Plan& plan, const std::vector<const Record*>& records) {
  Collector collector;
  collector.add_plan(plan.content);
  for (const Record* record : records) collector.add_record(*record);
  return collector.result();
}

void refuse_losses(Record& record, const std::string& reason) {
  for (Metric& metric : record.metrics) {
    if (!metric_info(metric.name).of_loss) continue;
    metric.value.reset();
    metric.note = reason;
  }
}

}  // namespace sublab
