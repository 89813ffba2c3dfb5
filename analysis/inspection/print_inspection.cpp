// An inspection as a page and as JSON.
#include <algorithm>

#include "analysis/inspection/inspected_text_html.h"
#include "analysis/inspection/inspection_page.h"
#include "analysis/print/html.h"
#include "analysis/text/format.h"
#include "core/fields.h"
#include "core/files.h"
#include "core/schema/metrics.h"

namespace sublab {
namespace {

std::string letter(size_t side) { return side == 0 ? "A" : "B"; }

/// The last part of the checkpoint's path, where that tells the two apart.
std::string short_name(const Inspection& inspection, size_t side) {
  const auto last = [&](size_t s) {
    fs::path path = inspection.sides[s].name;
    if (!path.has_filename()) path = path.parent_path();
    return path.filename().string();
  };
  const bool clash = inspection.sides.size() == 2 && last(0) == last(1);
  return clash || last(side).empty() ? inspection.sides[side].name : last(side);
}

/// "A: name" of two, "name" of one.
std::string title_of(const Inspection& inspection, size_t side) {
  const std::string name = short_name(inspection, side);
  return inspection.sides.size() == 1 ? name : letter(side) + ": " + name;
}

std::vector<std::string> facts_of(const Inspection& inspection) {
  std::vector<std::string> out;
  std::string extent = std::to_string(inspection.shown_bytes) + " of " +
                       std::to_string(inspection.text_bytes) + " bytes of " + inspection.text;
  out.push_back(inspection.cut_short ? extent + ": its beginning" : extent);
  for (size_t s = 0; s < inspection.sides.size(); ++s) {
    const InspectedText& side = inspection.sides[s];
    out.push_back((inspection.sides.size() == 2 ? letter(s) + ": " : "") + side.name + ": " +
                  side.model + "; tokens: " + side.tokenizer);
  }
  out.push_back("selection as in evaluation; windows of " +
                std::to_string(inspection.sides[0].window) +
                " tokens are read each from its own start, so that the first tokens of a window "
                "know nothing of what stands before it");
  out.push_back(
      "kept and dropped tokens are different tokens: their losses say who is kept, not what "
      "dropping "
      "costs");
  out.push_back(
      "the loss of a token is that of predicting it; where an interval stands, it comes from "
      "blocks "
      "of " +
      std::to_string(block_length(static_cast<int64_t>(inspection.sides[0].tokens.size()))) +
      " or more neighbouring tokens, since neighbours depend on each other, and it speaks of text "
      "like this one; where none stands the text is too short for one");
  return out;
}

/// What must be known before anything is read from the page.
std::vector<std::string> warnings_of(const Inspection& inspection) {
  std::vector<std::string> out;
  const bool two = inspection.sides.size() == 2;
  for (size_t s = 0; s < inspection.sides.size(); ++s) {
    const InspectedText& side = inspection.sides[s];
    const std::string subject = two ? letter(s) : "This model";
    if (side.modules.empty())
      out.push_back(subject + " has no subsampling modules: nothing is dropped, every depth is 0.");
    if (!side.causal)
      out.push_back("Selection in " + (two ? letter(s) : std::string("this model")) +
                    " looks at later tokens: these decisions and losses are no honest evaluation.");
  }
  if (two && inspection.alignment == Alignment::bytes)
    out.push_back(
        "The two tokenizers differ: tokens are shown separately. Comparisons go by bytes, each "
        "with "
        "the depth of its token and an equal share of its token's loss.");
  if (two && inspection.alignment == Alignment::none)
    out.push_back(
        "The two tokenizers differ, and one does not give back every byte of the text: the "
        "readings "
        "stand side by side and are not compared.");
  return out;
}

std::string side_facts(const InspectedText& side) {
  double loss = 0, n = 0, kept = 0;
  for (const InspectedToken& token : side.tokens) {
    kept += token.depth > 0;
    if (!std::isnan(token.loss)) loss += token.loss, ++n;
  }
  std::string out = std::to_string(side.tokens.size() - 1) + " tokens";
  if (n > 0)
    out += ", loss " + fixed(loss / n, 3) + " nats" +
           (std::isfinite(std::exp(loss / n)) ? ", perplexity " + significant(std::exp(loss / n), 4)
                                              : "");
  if (!side.modules.empty())
    out +=
        ", " + fixed(100 * kept / static_cast<double>(side.tokens.size()), 1) + " % enter level 1";
  return "<p class='note'>" + out + "</p>";
}

std::string loupe_html(const Inspection& inspection) {
  const Shading shading(inspection);
  std::string align = inspection.alignment == Alignment::tokens  ? "tokens"
                      : inspection.alignment == Alignment::bytes ? "bytes"
                                                                 : "none";
  std::string out = "<section class='loupe' data-mode='depth' data-align='" + align +
                    "' data-kinds='" + join(kTokenClasses) + "'>" +
                    mode_buttons(inspection, shading) + "<div class='sides'>";
  for (size_t s = 0; s < inspection.sides.size(); ++s) {
    const InspectedText& side = inspection.sides[s];
    std::vector<std::string> levels;
    for (const InspectedModule& module : side.modules)
      levels.push_back(std::to_string(module.level));
    out += "<div class='side'>";
    if (inspection.sides.size() == 2) out += "<h2>" + escaped(title_of(inspection, s)) + "</h2>";
    out += side_facts(side) + legends(inspection, s, shading) +
           "<div class='text' tabindex='0' role='group' aria-label='the text as " +
           escaped(title_of(inspection, s)) +
           " reads it; the arrow keys move from token to token' data-window='" +
           std::to_string(side.window) + "' data-levels='" + join(levels, ",") + "'>" +
           inspected_text_html(inspection, s, shading) + "</div></div>\n";
  }
  return out +
         "</div><div class='readout' role='status'>Point at a token, tap it, or move with the "
         "arrow keys.</div></section>\n";
}

std::string statistics_html(const InspectedText& side, size_t number) {
  std::string out;
  for (const Table& table : inspection_tables(side))
    out += table_html(table, table.title.starts_with("By class")  ? "class"
                             : table.title.starts_with("Modules") ? "module"
                                                                  : "level");
  if (side.modules.empty()) return out;
  std::string scores;
  for (size_t m = 0; m < side.modules.size(); ++m)
    if (side.modules[m].has_scores())
      scores += "<figure><figcaption>Scores of module " + std::to_string(m) + " (level " +
                std::to_string(side.modules[m].level) + ")</figcaption>" +
                score_histogram(side.modules[m]) + "</figure>\n";
  return out + figures_html({position_figure(side, number)}, scores);
}

json numbers(const std::vector<double>& values) {
  json out = json::array();
  for (const double value : values) out.push_back(std::isfinite(value) ? json(value) : json());
  return out;
}

json side_json(const InspectedText& side) {
  json modules = json::array(), ids = json::array(), text = json::array(), begin = json::array(),
       kinds = json::array(), depths = json::array();
  std::vector<double> losses;
  for (const InspectedModule& module : side.modules)
    modules.push_back({{"level", module.level},
                       {"scores", numbers(module.scores)},
                       {"weights", numbers(module.weights)}});
  for (const InspectedToken& token : side.tokens) {
    ids.push_back(token.id);
    text.push_back(visible(token.bytes));
    begin.push_back(token.begin);
    kinds.push_back(kTokenClasses[static_cast<size_t>(token.kind)]);
    depths.push_back(token.depth);
    losses.push_back(token.loss);
  }
  return {{"checkpoint", side.name},
          {"model", side.model},
          {"tokenizer", side.tokenizer},
          {"window", side.window},
          {"causal", side.causal},
          {"modules", modules},
          {"ids", ids},
          {"text", text},
          {"byte_begin", begin},
          {"class", kinds},
          {"depth", depths},
          {metric::kLossNats, numbers(losses)}};
}

json table_json(const Table& table) {
  json rows = json::object();
  for (const Row& row : table.rows)
    for (size_t c = 0; c < row.cells.size(); ++c) {
      const Cell& cell = row.cells[c];
      rows[row.variant][table.columns[c].name] = cell.value ? json(*cell.value) : json();
      if (cell.low)
        rows[row.variant][table.columns[c].name + ", interval"] = {*cell.low, *cell.high};
    }
  return rows;
}

}  // namespace

std::string inspection_as_html(const Inspection& inspection) {
  const bool two = inspection.sides.size() == 2;
  std::string out = page_head(inspection.text + ", token by token", inspection_style(inspection));
  out += "<h1>" + escaped(inspection.text) +
         ", token by token</h1><p class='question'>Which tokens enter the inner levels, with which "
         "scores, and what does each cost?</p>" +
         list_html(facts_of(inspection), "facts");
  const auto warnings = warnings_of(inspection);
  if (!warnings.empty()) out += list_html(warnings, "warnings");
  out += loupe_html(inspection);
  for (const Table& table : comparison_tables(inspection))
    out += table_html(table, table.title.starts_with("Overlap") ? "level" : "where");
  out += "<div class='sides'>";
  for (size_t s = 0; s < inspection.sides.size(); ++s) {
    out += "<section class='side'>";
    if (two) out += "<h2 class='name'>" + escaped(title_of(inspection, s)) + "</h2>";
    out += statistics_html(inspection.sides[s], s) + "</section>";
  }
  return out + "</div>" + page_foot(inspection_script());
}

std::string inspection_as_json(const Inspection& inspection) {
  json sides = json::array(), tables = json::array();
  for (const InspectedText& side : inspection.sides) {
    sides.push_back(side_json(side));
    sides.back()["tables"] = json::object();
    for (const Table& table : inspection_tables(side))
      sides.back()["tables"][table.title] = table_json(table);
  }
  json out = {{"schema", 1},
              {"text", inspection.text},
              {"text_bytes", inspection.text_bytes},
              {"shown_bytes", inspection.shown_bytes},
              {"checkpoints", sides},
              {"notes", warnings_of(inspection)}};
  if (inspection.sides.size() == 2) {
    out["alignment"] = inspection.alignment == Alignment::tokens  ? json("tokens")
                       : inspection.alignment == Alignment::bytes ? json("bytes")
                                                                  : json();
    out["comparison"] = json::object();
    for (const Table& table : comparison_tables(inspection))
      out["comparison"][table.title] = table_json(table);
  }
  return out.dump(1) + "\n";
}

}  // namespace sublab
