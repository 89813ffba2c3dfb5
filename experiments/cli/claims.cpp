// sublab claims: a paper's claims and what stands against them.
#include "analysis/claims/claims.h"

#include <algorithm>
#include <iostream>

#include "analysis/tables/claims_table.h"
#include "analysis/text/format.h"
#include "experiments/cli/command.h"
#include "experiments/plan/claim_files.h"

namespace sublab {
namespace {

struct Arguments {
  std::string folder;
  std::vector<std::string> add, only;
  bool all = false, as_json = false;
};

std::vector<ClaimSet> chosen_sets(const Arguments& arguments, const StudyData& data) {
  std::vector<ClaimSet> sets;
  for (const std::string& name : arguments.only) sets.push_back(find_claim_set(name, "--claims"));
  if (arguments.only.empty()) {
    sets = all_claim_sets();
    // Of the study's own claims, those that no file holds.
    ClaimSet own = claims_of_plan(data);
    std::erase_if(own.claims, [&](const Claim& claim) {
      return std::any_of(sets.begin(), sets.end(), [&](const ClaimSet& set) {
        return std::any_of(set.claims.begin(), set.claims.end(), [&](const Claim& known) {
          return known.claim == claim.claim && known.source == claim.source;
        });
      });
    });
    if (!own.claims.empty()) sets.push_back(own);
  }
  for (const std::string& file : arguments.add) sets.push_back(read_claims_file(file));
  return sets;
}

json line_as_json(const ClaimLine& line) {
  json out = {{"set", line.set},
              {"claim", write_fields(line.claim)},
              {"variant", line.variant},
              {"verdict", verdict_name(line.verdict)},
              {"reason", reason_text(line)},
              {"differing", json::array()},
              {"unknown", line.unknown},
              {"no_such_variant", line.elsewhere},
              {"measured", nullptr}};
  for (const ProtocolDifference& difference : line.differing)
    out["differing"].push_back(
        {{"field", difference.field}, {"there", difference.there}, {"here", difference.here}});
  if (!line.measured) return out;
  const ClaimMeasurement& measured = *line.measured;
  out["measured"] = {{"value", measured.estimate.value},
                     {"interval", nullptr},
                     {"condition", measured.condition},
                     {"holds_for", measured.target},
                     {"kept", measured.kept}};
  if (const auto& interval = measured.estimate.interval)
    out["measured"]["interval"] = {interval->low, interval->high};
  return out;
}

/// What is no comparison has its reason below.
std::string short_verdict(const ClaimLine& line) {
  return line.verdict == ClaimVerdict::not_comparable ? verdict_name(line.verdict)
                                                      : verdict_text(line);
}

/// Under each claim, one aligned line per variant and condition, and below it the reason.
void print_lines(const std::string& title, const std::vector<const ClaimLine*>& lines) {
  if (lines.empty()) return;
  std::vector<std::vector<std::string>> cells;
  for (const ClaimLine* line : lines)
    cells.push_back({line->variant.empty() ? "–" : line->variant,
                     line->measured ? line->measured->condition : "",
                     claim_value_text(line->claim.metric, line->claim.expected),
                     measured_text(*line), short_verdict(*line)});
  const std::vector<std::string> head = {"variant", "condition", "expected", "measured", "verdict"};
  std::vector<size_t> widths;
  for (const std::string& name : head) widths.push_back(n_characters(name));
  for (const auto& row : cells)
    for (size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], n_characters(row[c]));
  const auto print = [&](const std::vector<std::string>& row) {
    std::string text = " ";
    for (size_t c = 0; c < row.size(); ++c)
      text += " " + row[c] + std::string(widths[c] - n_characters(row[c]) + 1, ' ');
    std::cout << text.substr(0, text.find_last_not_of(' ') + 1) << "\n";
  };
  std::cout << title << "\n\n";
  print(head);
  for (size_t i = 0; i < lines.size(); ++i) {
    const Claim& claim = lines[i]->claim;
    const bool same = i > 0 && lines[i - 1]->claim.claim == claim.claim &&
                      lines[i - 1]->claim.source == claim.source;
    if (!same) {
      std::cout << claim.claim << " (" << claim.source << ", " << claim.metric << ")\n";
      if (!claim.note.empty()) std::cout << "    note: " << claim.note << "\n";
    }
    print(cells[i]);
    std::cout << "      because: " << reason_text(*lines[i]) << "\n";
  }
  std::cout << "\n";
}

/// How many lines have each verdict, the best one first.
void print_tally(const std::vector<ClaimLine>& lines, bool all) {
  std::vector<std::string> parts;
  for (const ClaimVerdict verdict : {ClaimVerdict::reproduced, ClaimVerdict::direction_only,
                                     ClaimVerdict::not_reproduced, ClaimVerdict::not_comparable}) {
    const auto n = std::count_if(lines.begin(), lines.end(), [&](const ClaimLine& line) {
      return !line.elsewhere && line.verdict == verdict;
    });
    parts.push_back(std::to_string(n) + " " + verdict_name(verdict));
  }
  const std::string elsewhere = elsewhere_text(lines);
  std::cout << join(parts) << "\n";
  if (!elsewhere.empty()) std::cout << elsewhere << (all ? "" : " (--all lists them)") << "\n";
  std::cout << "\n";
}

void print_all(const StudyData& data, const std::vector<ClaimLine>& lines, bool all) {
  print_tally(lines, all);
  for (const bool hardware : {false, true}) {
    std::vector<const ClaimLine*> shown;
    for (const ClaimLine& line : lines)
      if (line.claim.hardware == hardware && (all || !line.elsewhere)) shown.push_back(&line);
    std::stable_partition(shown.begin(), shown.end(), [](const ClaimLine* line) {
      return line->verdict != ClaimVerdict::not_comparable;
    });
    print_lines(hardware ? "Claims tied to hardware" : "Claims", shown);
  }
  if (data.plan.seeds.size() == 1)
    std::cout << "One seed: intervals are over documents, rows or rounds and hold for these "
                 "checkpoints on this machine; they say nothing about the recipe.\n";
}

int exit_code_of(const std::vector<ClaimLine>& lines) {
  const auto any = [&](auto holds) { return std::any_of(lines.begin(), lines.end(), holds); };
  if (any([](const auto& l) { return l.verdict == ClaimVerdict::not_reproduced; }))
    return kCheckFailed;
  return any([](const auto& l) { return l.verdict != ClaimVerdict::not_comparable; })
             ? kDone
             : kNothingMatched;
}

int claims(const Arguments& arguments) {
  const StudyData data = read_study_or_bench(arguments.folder);
  const std::vector<ClaimLine> lines = check_claims(data, chosen_sets(arguments, data));
  if (arguments.as_json) {
    json out = json::array();
    for (const ClaimLine& line : lines) out.push_back(line_as_json(line));
    std::cout << out.dump(1) << "\n";
  } else {
    print_all(data, lines, arguments.all);
  }
  return exit_code_of(lines);
}

}  // namespace

void add_claims_command(CLI::App& app, CommandContext& context) {
  auto* command =
      app.add_subcommand("claims", "what papers say, held against what a study measured");
  command->footer(
      "Verdicts: reproduced, direction only, not reproduced, not comparable (docs/studies.md).\n"
      "Exit codes: 0 every comparable claim is reproduced or has its direction; 2 bad usage or "
      "input;\n3 no claim was comparable; 4 a claim is not reproduced.\n"
      "Example: sublab claims results/quick --claims subllm --add mine.json");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("DIR", arguments->folder, "study folder")->required();
  command->add_option("--add", arguments->add, "one more file of claims; may be repeated")
      ->take_all();
  command
      ->add_option("--claims", arguments->only,
                   "only these: a name in experiments/claims, or a file; default: all files there "
                   "and the study's own")
      ->take_all();
  command->add_flag("--all", arguments->all,
                    "list the claims that are about no variant of the study, too");
  command->add_flag("--json", arguments->as_json, "print JSON, every claim");
  command->callback([&context, arguments] { context.exit_code = claims(*arguments); });
}

}  // namespace sublab
