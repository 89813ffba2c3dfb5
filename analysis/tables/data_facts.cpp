// What the reader must know of the data first, and where the weights are.
#include <set>

#include "analysis/tables/tables.h"

namespace sublab {
namespace {

/// What the weights that trials start from have to do with the tokenizer of these trials, where it
/// is not the same.
std::string start_fact(const VariantData& variant, const Record& record) {
  const json from = record.provenance.value("from", json());
  if (!from.is_object()) return "";
  const auto text = [&](const char* key) {
    const json value = from.value(key, json(""));
    return value.is_string() ? value.get<std::string>() : "";
  };
  const std::string start = variant.name + " starts from " + text("checkpoint");
  if (text("tokenizer_is") == "another")
    return start + ", which was trained with another tokenizer (" + text("tokenizer") +
           "), on purpose: train.from_other_tokenizer.";
  if (text("tokenizer_is") == "not known")
    return start + ", which names no tokenizer: that its ids mean the same is the author's word.";
  return "";
}

}  // namespace

void add_data_facts(const StudyData& data, Report& report) {
  std::vector<std::string> facts;
  for (const std::string& sentence : data.unlike.sentences)
    facts.push_back("UNLIKE DATA: " + sentence + "; they are left out.");
  std::set<std::string> said;
  for (const VariantData& variant : data.variants) {
    std::vector<const Record*> all = variant.good();
    for (const auto& [probe, records] : variant.probes)
      for (const Record* record : good_of(records)) all.push_back(record);
    for (const Record* record : all)
      if (const std::string fact = start_fact(variant, *record);
          !fact.empty() && said.insert(fact).second)
        facts.push_back(fact);
  }
  report.facts.insert(report.facts.begin(), facts.begin(), facts.end());
}

void add_checkpoints_table(const StudyData& data, Report& report) {
  Table table{"Checkpoints", {{"folder", "of the trial's weights, in the study's folder"}}, {}};
  const auto add = [&](const Record& record, const std::string& variant) {
    if (record.outcome != "ok") return;
    Cell cell;
    cell.text = checkpoint_folder(record.train_id);
    cell.records = {record.id};
    const std::string probe = record.probe.empty() ? "" : " (" + record.probe + ")";
    table.rows.push_back({variant + "@" + std::to_string(record.seed) + probe, {cell}});
  };
  for (const VariantData& variant : data.variants)
    for (const Record& record : variant.records) add(record, variant.name);
  for (const VariantData& variant : data.variants)
    for (const auto& [probe, records] : variant.probes)
      for (const Record& record : records)
        if (probe != kTuneProbe) add(record, variant.name);
  if (table.rows.empty()) return;
  table.caption =
      "Commands that take a checkpoint also take STUDY_DIR:VARIANT@SEED. Checkpoints are not kept "
      "in git. ";
  report.tables.push_back(table);
}

}  // namespace sublab
