// One line per trial: its configuration, its metrics, its times.
#include "analysis/print/trials.h"

#include <algorithm>
#include <map>

#include "analysis/text/format.h"
#include "core/json_text.h"
#include "core/schema/metrics.h"

namespace sublab {
namespace {

/// A planned trial and its record, if it has one.
struct Trial {
  const PlannedTrial* planned;
  const Record* record;
};

std::string outcome_of(const StudyData& data, const PlannedTrial& planned, const Record* record) {
  if (record) return record->outcome;
  return data.not_needed.contains(planned.id) ? "not needed" : "missing";
}

std::vector<Trial> trials_of(const StudyData& data) {
  std::vector<Trial> out;
  const auto find = [](const std::vector<Record>& records, const std::string& id) {
    const auto at = std::find_if(records.begin(), records.end(),
                                 [&](const Record& record) { return record.id == id; });
    return at == records.end() ? nullptr : &*at;
  };
  for (const PlannedTrial& planned : data.plan.trials) {
    const VariantData& variant = data.variant(planned.variant);
    const auto probe = variant.probes.find(planned.probe);
    out.push_back({&planned, planned.probe.empty()           ? find(variant.records, planned.id)
                             : probe == variant.probes.end() ? nullptr
                                                             : find(probe->second, planned.id)});
  }
  return out;
}

/// "model" of "model.n_heads"; "" of what stands for itself, such as a metric.
std::string group_of(const std::string& column) {
  const size_t dot = column.find('.');
  return dot == std::string::npos || column.find('[') < dot ? "" : column.substr(0, dot);
}

/// Columns by group, in the order in which they were first seen, and the fields of each line.
class Lines {
 public:
  void begin() { lines_.emplace_back(); }
  void add(const std::string& column, const json& value) {
    if (std::find(columns_.begin(), columns_.end(), column) == columns_.end()) {
      const auto last = std::find_if(columns_.rbegin(), columns_.rend(), [&](const auto& other) {
        return group_of(other) == group_of(column);
      });
      columns_.insert(last == columns_.rend() ? columns_.end() : last.base(), column);
    }
    lines_.back()[column] = value.is_string() ? value.get<std::string>()
                            : value.is_null() ? ""
                                              : value.dump();
  }
  /// An object by dotted keys; lists of plain values stay one field.
  void add_all(const std::string& prefix, const json& value) {
    const bool nested =
        value.is_object() || (value.is_array() && !value.empty() && value.front().is_object());
    if (!nested) {
      add(prefix, value);
      return;
    }
    for (const auto& [key, each] : value.items()) add_all(prefix + "." + key, each);
  }
  std::string text() const {
    std::string out;
    const auto line = [&](const auto& field_of) {
      for (size_t c = 0; c < columns_.size(); ++c)
        out += (c > 0 ? "," : "") + csv_quoted(field_of(columns_[c]));
      out += "\n";
    };
    line([](const std::string& column) { return column; });
    for (const auto& fields : lines_)
      line([&](const std::string& column) {
        const auto at = fields.find(column);
        return at == fields.end() ? std::string() : at->second;
      });
    return out;
  }

 private:
  std::vector<std::string> columns_;
  std::vector<std::map<std::string, std::string>> lines_;
};

/// The metric's name; where a record has several of it, with the conditions that tell them apart.
std::string column_of(const Metric& metric, const Record& record) {
  const auto others = record.find_all(metric.name);
  std::string apart;
  for (const auto& [key, value] : metric.conditions.items()) {
    const bool differs = std::any_of(others.begin(), others.end(), [&](const Metric* other) {
      return other->conditions.value(key, json()) != value;
    });
    if (condition::is_count(key) || !differs) continue;
    apart += (apart.empty() ? "" : " ") + key + "=" + unquoted(value);
  }
  return apart.empty() ? metric.name : metric.name + "[" + apart + "]";
}

}  // namespace

std::string trials_as_csv(const StudyData& data) {
  Lines lines;
  for (const auto& [planned, record] : trials_of(data)) {
    lines.begin();
    lines.add("study", data.plan.study);
    lines.add("variant", planned->variant);
    lines.add("seed", planned->seed);
    lines.add("probe", planned->probe);
    lines.add("id", planned->id);
    lines.add("train_id", planned->train_id);
    lines.add("outcome", outcome_of(data, *planned, record));
    lines.add("detail", record ? record->detail : "");
    for (const auto& [part, values] : planned->config.items()) lines.add_all(part, values);
    if (!record) continue;
    for (const Metric& metric : record->metrics)
      lines.add(column_of(metric, *record), metric.value ? json(*metric.value) : json());
    if (record->audit.contains("verdict")) lines.add("causality", record->audit["verdict"]);
    for (const auto& [name, value] : record->times.items()) lines.add_all("times." + name, value);
    for (const char* name : {"cpu", "cores", "threads", "load_at_start", "libtorch"})
      if (record->environment.contains(name))
        lines.add(std::string("environment.") + name, record->environment[name]);
    if (record->provenance.contains("commit"))
      lines.add("provenance.commit", record->provenance["commit"]);
  }
  return lines.text();
}

std::string trials_as_json_lines(const StudyData& data) {
  std::string out;
  for (const auto& [planned, record] : trials_of(data)) {
    json line = {{"study", data.plan.study},
                 {"variant", planned->variant},
                 {"seed", planned->seed},
                 {"probe", planned->probe},
                 {"id", planned->id},
                 {"train_id", planned->train_id},
                 {"outcome", outcome_of(data, *planned, record)},
                 {"config", planned->config}};
    if (record) {
      line["detail"] = record->detail;
      line["metrics"] = json::array();
      for (const Metric& metric : record->metrics) line["metrics"].push_back(write_fields(metric));
      line["evaluations"] = write_fields(record->evaluations);
      line["audit"] = record->audit;
      line["times"] = record->times;
      line["environment"] = record->environment;
      line["provenance"] = record->provenance;
    }
    out += line.dump() + "\n";
  }
  return out;
}

}  // namespace sublab
