// A search along values that cost more and more (experiments/plan/solve_match.h).
#include "experiments/plan/solve_match.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>

#include "core/json_text.h"
#include "experiments/plan/resolve_checks.h"
#include "experiments/train/trainer.h"

namespace sublab {
namespace solving {

using Resolve = std::function<TrialConfig(const Variant&)>;

/// The values of a key that a variant may have: the first, the second, ... cost more and more.
struct Candidates {
  int64_t n = 0;
  std::function<Changes(int64_t)> changes;  ///< of the i-th, from 1
  std::function<double(int64_t)> cost;
};

/// Multiples of `unit` up to `most`, as a number of type T.
Candidates multiples(const std::string& key, int64_t unit, double most) {
  return {.n = static_cast<int64_t>(most / static_cast<double>(unit)),
          .changes =
              [=](int64_t i) {
                return Changes{{key, json(i * unit)}};
              },
          .cost = {}};
}

/// Where the number of layers is what a structure string says, it must be clear where one goes.
Candidates layers(const TrialConfig& config, const std::string& at) {
  constexpr int64_t kMost = 10000;
  const json structure = config.model.value("structure", json());
  if (!structure.is_string()) return multiples("model.n_layers", 1, kMost);
  const auto text = structure.get<std::string>();
  if (text.find('(') != std::string::npos)
    throw UserError(at, "the structure '" + text +
                            "' does not say at which level another layer would stand; solve "
                            "train.tokens, model.d_model or model.retention");
  return {.n = kMost,
          .changes =
              [](int64_t i) {
                return Changes{{"model.n_layers", json(i)},
                               {"model.structure", json(std::string(i, 'T'))}};
              },
          .cost = {}};
}

/// What `key` may be in a variant whose other settings are those of `config`.
Candidates candidates_of(const std::string& key, const TrialConfig& config, const std::string& at) {
  constexpr double kMostTokens = 1e15, kWidest = 1 << 20;
  if (key == "train.tokens") {  // whole batches
    const StepShape step = step_shape(config.train, config.data.context_len);
    return multiples(key, step.rows_per_step * config.data.context_len, kMostTokens);
  }
  if (key == "model.d_model")  // heads of equal, even width
    return multiples(key, 2 * config.model.value("n_heads", int64_t{1}), kWidest);
  if (key == "model.d_ff") {
    if (!config.model.value("d_ff", json()).is_number())
      throw UserError(at, "architecture '" + config.model.at("architecture").get<std::string>() +
                              "' has no single d_ff");
    return multiples(key, 1, kWidest);
  }
  if (key == "model.n_layers") return layers(config, at);
  constexpr int64_t kThousandths = 1000;
  return {.n = kThousandths,
          .changes =
              [key](int64_t i) {
                return Changes{{key, json(static_cast<double>(i) / kThousandths)}};
              },
          .cost = {}};
}

Variant with(Variant variant, const Changes& changes) {
  variant.changes.insert(variant.changes.end(), changes.begin(), changes.end());
  return variant;
}

/// The first candidate that costs `wanted` or more, or the last one.
int64_t first_at(const Candidates& candidates, double wanted) {
  int64_t low = 0, high = 1;  // low costs less; 0 stands before the first
  while (high < candidates.n && candidates.cost(high) < wanted)
    low = high, high = std::min(2 * high, candidates.n);
  while (high - low > 1) {
    const int64_t middle = low + (high - low) / 2;
    (candidates.cost(middle) < wanted ? low : high) = middle;
  }
  return high;
}

std::string ratio_text(double ratio) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", ratio);
  return text;
}

class Solver {
 public:
  Solver(const EqualCost& match, std::string at, const std::vector<Variant>& variants,
         const Resolve& resolve, const Catalog& catalog)
      : match_(match),
        at_(std::move(at)),
        variants_(variants),
        resolve_(resolve),
        catalog_(catalog) {}

  double cost_of(const Variant& variant) const {
    const TrialConfig config = resolve_(variant);
    return known_cost(match_.by, config, catalog_) + parents_cost(config);
  }

  /// Adds what was picked to the changes of `variant`.
  SolvedValue solve(Variant& variant, const std::string& reference, double wanted) const {
    const Candidates candidates = costed(variant);
    const int64_t above = first_at(candidates, wanted);
    std::vector<std::pair<int64_t, double>> nearest;  // with its ratio
    for (const int64_t i : {above - 1, above})
      if (i > 0) nearest.emplace_back(i, candidates.cost(i) / wanted);
    const auto [best, ratio] =
        *std::min_element(nearest.begin(), nearest.end(), [](const auto& a, const auto& b) {
          return std::abs(a.second - 1) < std::abs(b.second - 1);
        });
    if (std::abs(ratio - 1) > match_.tolerance) refuse(variant, reference, candidates, nearest);
    const Changes picked = candidates.changes(best);
    variant = with(variant, picked);
    return {.variant = variant.name,
            .key = match_.solve,
            .value = picked.front().second,
            .by = match_.by,
            .reference = reference,
            .ratio = ratio};
  }

 private:
  /// What the weights that it starts from took, where that counts.
  double parents_cost(const TrialConfig& config) const {
    if (!match_.count_parents) return 0;
    const auto find = [&](const std::string& name) -> std::optional<TrialConfig> {
      for (const Variant& variant : variants_)
        if (variant.name == name) return resolve_(variant);
      return std::nullopt;
    };
    return inherited_cost(match_.by, config, find, at_, catalog_);
  }

  Candidates costed(const Variant& variant) const {
    TrialConfig config = resolve_(variant);
    Candidates out = candidates_of(match_.solve, config, at_ + "/solve: " + variant.name);
    if (match_.solve == "train.tokens") {  // a token costs what every other one does
      config.train.tokens = 1;
      const double per_token = known_cost(match_.by, config, catalog_);
      out.cost = [changes = out.changes, per_token, parents = parents_cost(config)](int64_t i) {
        return parents + per_token * changes(i).front().second.get<double>();
      };
    } else {
      out.cost = [this, changes = out.changes, variant](int64_t i) {
        return cost_of(with(variant, changes(i)));
      };
    }
    return out;
  }

  [[noreturn]] void refuse(const Variant& variant, const std::string& reference,
                           const Candidates& candidates,
                           const std::vector<std::pair<int64_t, double>>& nearest) const {
    std::vector<std::string> texts;
    for (const auto& [i, ratio] : nearest)
      texts.push_back(unquoted(candidates.changes(i).front().second) + " (" + ratio_text(ratio) +
                      " of it)");
    throw UserError(at_, "no " + match_.solve + " of " + variant.name + " has the " + match_.by +
                             " of " + reference + " within the tolerance of " +
                             json(match_.tolerance).dump() + "; nearest: " + join(texts, " and "));
  }

  const EqualCost& match_;
  std::string at_;
  const std::vector<Variant>& variants_;
  const Resolve& resolve_;
  const Catalog& catalog_;
};

auto& find(auto& variants, const std::string& name) {
  return *std::find_if(variants.begin(), variants.end(),
                       [&](const Variant& variant) { return variant.name == name; });
}

/// What a variant says itself is not picked for it.
void check_open(const Study& study, const std::string& name, const std::string& key,
                const std::string& place) {
  for (const auto& [given, value] : find(study.variants, name).changes)
    if (given == key)
      throw UserError(study.file + ": /variants/" + name + "/" + key,
                      "is picked by " + place + "; leave it out here");
}

}  // namespace solving

std::vector<SolvedValue> solve_match(const Study& study, std::vector<Variant>& variants,
                                     const std::function<TrialConfig(const Variant&)>& resolve,
                                     const Catalog& catalog) {
  std::vector<std::string> names;
  for (const Variant& variant : variants) names.push_back(variant.name);
  const auto matches = read_match(study.match, names, study.file + ": /match");
  std::set<std::pair<std::string, std::string>> picked;
  std::vector<SolvedValue> out;
  for (size_t i = 0; i < matches.size(); ++i) {
    const EqualCost& match = matches[i];
    if (match.solve.empty()) continue;
    const std::string place = "/match/" + std::to_string(i), at = study.file + ": " + place;
    const std::string& reference = reference_of(match, study.compare_to);
    const solving::Solver solver(match, at, variants, resolve, catalog);
    const double wanted = solver.cost_of(solving::find(variants, reference));
    for (const std::string& name : match.variants) {
      if (name == reference) continue;
      if (!picked.emplace(name, match.solve).second)
        throw UserError(at, "picks " + match.solve + " of " + name +
                                " a second time; what is matched at two costs is two variants");
      solving::check_open(study, name, match.solve, place);
      out.push_back(solver.solve(solving::find(variants, name), reference, wanted));
    }
  }
  return out;
}

}  // namespace sublab
