// Which cells of two reports differ, and by how much.
#include "analysis/report_changes.h"

#include <algorithm>
#include <map>

#include "analysis/text/format.h"

namespace sublab {
namespace {

using Place = std::vector<std::string>;  // table, row, column

/// Every cell of a report in order, columns that never vary among them as row "all".
std::vector<std::pair<Place, json>> cells_of(const json& report) {
  std::vector<std::pair<Place, json>> out;
  for (const json& table : report.at("tables")) {
    const std::string title = table.at("title");
    for (const json& row : table.at("rows"))
      for (size_t c = 0; c < row.at("cells").size(); ++c)
        out.push_back({{title, row.at("variant"), table.at("columns").at(c).at("name")},
                       row.at("cells").at(c)});
    for (const json& same : table.value("same", json::array()))
      out.push_back({{title, "all", same.at("name")}, same.at("cell")});
  }
  return out;
}

CellChange change_of(const Place& place, const json& before, const json& after) {
  CellChange out{place[0], place[1], place[2], before.at("text"), after.at("text"), {}, false};
  const json &old = before.at("value"), &now = after.at("value");
  if (!old.is_number() || !now.is_number()) return out;
  if (old.get<double>() != 0) out.ratio = now.get<double>() / old.get<double>();
  const json &low = before.at("low"), &high = before.at("high");
  out.beyond = !low.is_number() || now.get<double>() < low.get<double>() ||
               now.get<double>() > high.get<double>();
  return out;
}

}  // namespace

std::vector<CellChange> report_changes(const json& before, const json& after) {
  std::map<Place, json> old;
  for (const auto& [place, cell] : cells_of(before)) old[place] = cell;
  std::vector<CellChange> out;
  for (const auto& [place, cell] : cells_of(after)) {
    const auto found = old.find(place);
    if (found == old.end()) {
      out.push_back({place[0], place[1], place[2], "", cell.at("text"), {}, false});
      continue;
    }
    if (found->second.at("text") != cell.at("text") ||
        found->second.at("value") != cell.at("value"))
      out.push_back(change_of(place, found->second, cell));
    old.erase(found);
  }
  for (const auto& [place, cell] : old)
    out.push_back({place[0], place[1], place[2], cell.at("text"), "", {}, false});
  return out;
}

std::string changes_as_text(const std::vector<CellChange>& changes) {
  if (changes.empty()) return "Nothing moved.\n";
  int64_t beyond = 0;
  std::string out, table;
  for (const CellChange& change : changes) {
    if (change.table != table) out += "### " + change.table + "\n";
    table = change.table;
    out += "- " + change.row + ", " + change.column + ": ";
    if (change.before.empty())
      out += "new, " + change.after;
    else if (change.after.empty())
      out += "gone, was " + change.before;
    else
      out += change.before + " -> " + change.after;
    if (change.ratio) out += " (x " + significant(*change.ratio, 4) + ")";
    if (change.beyond) out += " **beyond its interval**";
    out += "\n";
    beyond += change.beyond;
  }
  return out + "\n" + std::to_string(changes.size()) + " cells moved, " + std::to_string(beyond) +
         " beyond the interval that they had (cells without an interval count).\n";
}

}  // namespace sublab
