// Reading of a study's "match" (core/schema/equal_cost.h).
#include "core/schema/equal_cost.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <set>

#include "core/json_text.h"

namespace sublab {
namespace {

/// What can be picked so that a cost is equal.
const std::map<std::string, std::vector<std::string>> kSolvable = {
    {"train_flops",
     {"train.tokens", "model.d_model", "model.d_ff", "model.n_layers", "model.retention"}},
    {"parameters", {"model.d_model", "model.d_ff", "model.n_layers"}}};

void check_solve(const EqualCost& match, const std::string& at) {
  if (match.by == "train_tokens")
    throw UserError(at, "has no effect with by train_tokens: give train.tokens to each variant");
  const auto allowed = kSolvable.find(match.by);
  if (allowed == kSolvable.end())
    throw UserError(at, "is not possible with by " + match.by +
                            ": it is measured while trials run, on one machine in one hour, and "
                            "ids of trials stand before; solve for train_flops, and let the "
                            "report hold " +
                            match.by + " against its tolerance");
  const auto& keys = allowed->second;
  if (std::find(keys.begin(), keys.end(), match.solve) == keys.end())
    throw_unknown_name(at, "solve of " + match.by, match.solve, keys);
  if (match.variants.empty())
    throw UserError(at, "needs \"variants\": those that share the cost, and the one whose it is");
}

}  // namespace

std::string solved_text(const SolvedValue& solved) {
  char ratio[32];
  std::snprintf(ratio, sizeof ratio, "%.4f", solved.ratio);
  return solved.key + " " + unquoted(solved.value) + " of " + solved.variant + ": " + ratio +
         " of the " + solved.by + " of " + solved.reference;
}

std::vector<EqualCost> read_match(const json& value, const std::vector<std::string>& names,
                                  const std::string& path) {
  if (!value.is_array()) fields_detail::throw_type(path, "a list", value);
  std::vector<EqualCost> out;
  for (size_t i = 0; i < value.size(); ++i) {
    const std::string at = path + "/" + std::to_string(i);
    EqualCost& entry = out.emplace_back();
    read_fields(value[i], at, entry);
    if (entry.by.empty()) throw UserError(at, "lacks 'by': what is held equal");
    for (size_t v = 0; v < entry.variants.size(); ++v)
      if (std::find(names.begin(), names.end(), entry.variants[v]) == names.end())
        throw_unknown_name(at + "/variants/" + std::to_string(v), "variant", entry.variants[v],
                           names);
    if (entry.count_parents && entry.by != "train_tokens" && entry.by != "train_flops")
      throw UserError(at + "/count_parents",
                      "is not possible with by " + entry.by + "; with train_tokens, train_flops");
    const std::set<std::string> distinct(entry.variants.begin(), entry.variants.end());
    if (!entry.variants.empty() && (distinct.size() < 2 || distinct.size() < entry.variants.size()))
      throw UserError(at + "/variants",
                      "must name two or more variants, each once; left out, it means all");
    if (value[i].contains("solve")) check_solve(entry, at + "/solve");
  }
  return out;
}

const std::string& reference_of(const EqualCost& match, const std::string& compare_to) {
  const auto& among = match.variants;
  const bool is_among = std::find(among.begin(), among.end(), compare_to) != among.end();
  return among.empty() || is_among ? compare_to : among.front();
}

}  // namespace sublab
