// Cells of a report from records.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "analysis/report/report.h"
#include "analysis/study/study_data.h"

namespace sublab {

/// Mean of a reading over records that have it, or nothing.
std::optional<double> mean_reading(const std::vector<const Record*>& records, const Reading& read);

/// The same of a metric, by Record::find_headline.
std::optional<double> mean_metric(const std::vector<const Record*>& records,
                                  const std::string& name);

/// Which of a record's metrics a cell shows; null where it has none.
using Pick = std::function<const Metric*(const Record& record)>;

/// Mean over the records, as the metric's entry says that it is shown. With several seeds that
/// differ, the text also says the standard deviation over seeds ("1.20 ± 0.03").
Cell metric_cell(const std::vector<const Record*>& records, const std::string& name,
                 const Pick& pick, Report& report);
/// The same over the variant's good records, by Record::find_headline.
Cell metric_cell(const VariantData& variant, const std::string& name, Report& report);

/// A value with its interval, where it has one: "1.20 [1.10, 1.30]".
Cell estimate_cell(const Estimate& estimate, int digits, std::vector<std::string> records);

/// Moves every column whose cells are all alike to Table::same: what never varies is said once.
void move_constant_columns(Table& table);

}  // namespace sublab
