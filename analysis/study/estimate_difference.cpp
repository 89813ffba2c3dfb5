// Differences with interval and p-value, and what the design that gave them can find.
#include "analysis/study/estimate_difference.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "analysis/text/format.h"

namespace sublab {
namespace {

/// What a design has drawn: errors as they are expected to be, freed of their bias.
struct Design {
  double seeds = 1, seed_spread = 0;
  double documents = 0, document_error = 0;
  double level = kTestLevel;

  /// The part of the smallest detectable difference that seeds, or documents, are to blame for.
  double of_seeds() const {
    return seeds < 2 ? 0 : seed_spread / std::sqrt(seeds) * student_detectable(seeds - 1, level);
  }
  double of_documents() const {
    return document_error * student_detectable(std::max(documents - 1, 1.0), level);
  }
  double detectable() const { return std::hypot(of_seeds(), of_documents()); }

  Design with_seeds(double n) const { return {n, seed_spread, documents, document_error, level}; }
  /// With so many times as much text of the same kind.
  Design with_text(double times) const {
    return {seeds, seed_spread, documents * times, document_error / std::sqrt(times), level};
  }
};

Design design_of(const Comparison& c, double level) {
  const auto seeds = static_cast<double>(c.n_seeds);
  Design out{seeds, 0, c.difference.clusters, c.document_error, level};
  if (seeds > 1) out.seed_spread = c.seed_error * std::sqrt(seeds) / student_error_bias(seeds - 1);
  return out;
}

std::string rounded(double value) { return si_text(std::stod(significant(value, 2))); }

constexpr double kMostSeeds = 100, kMostTimes = 1000;

/// The fewest seeds with which `reached` holds; 0 where even kMostSeeds are too few.
template <class Reached>
double seeds_until(const Design& design, const Reached& reached) {
  for (double n = design.seeds + 1; n <= kMostSeeds; ++n)
    if (reached(design.with_seeds(n))) return n;
  return 0;
}

/// The least text, in times what there is, with which `reached` holds; 0 where none will do.
template <class Reached>
double text_until(const Design& design, const Reached& reached) {
  for (double times = 1.05; times <= kMostTimes; times *= 1.05)
    if (reached(design.with_text(times))) return times;
  return 0;
}

/// What a unit counts in text.
std::string counted_in(const Comparison& c) {
  switch (c.unit) {
    case DifferenceUnit::nats_per_token:
      return "tokens";
    case DifferenceUnit::bits_per_byte:
      return "bytes";
    case DifferenceUnit::accuracy:
      return "answers";
  }
  return "";
}

std::string what_settles(const Comparison& c, double level) {
  if (!c.possible || !c.smallest_detectable) return "";
  const Design design = design_of(c, level);
  const double target = std::abs(c.difference.value);
  const double now = level == kTestLevel ? *c.smallest_detectable : design.detectable();
  if (now <= target) return "";
  const std::string unit = counted_in(c);
  const auto seeds_text = [&](double n) {
    const auto more = static_cast<int64_t>(n - design.seeds);
    return std::to_string(more) + (more == 1 ? " more seed" : " more seeds");
  };
  const auto more_text = [&](double times) {
    return rounded((times - 1) * c.n_tokens) + " more " + unit +
           (c.unit == DifferenceUnit::accuracy ? "" : " of text");
  };
  const auto enough = [&](const Design& d) { return d.detectable() <= target; };
  // More of what varies most; of the other where that alone is not enough; else of both.
  const double seeds = c.n_seeds > 1 ? seeds_until(design, enough) : 0,
               times = text_until(design, enough);
  if (seeds > 0 && (times == 0 || design.of_seeds() >= design.of_documents()))
    return "about " + seeds_text(seeds);
  if (times > 0) return "about " + more_text(times);
  const double share = target / std::numbers::sqrt2;
  const double both_seeds =
      c.n_seeds > 1 ? seeds_until(design, [&](const Design& d) { return d.of_seeds() <= share; })
                    : 0;
  const double both_times =
      text_until(design, [&](const Design& d) { return d.of_documents() <= share; });
  if (both_seeds > 0 && both_times > 0)
    return "about " + seeds_text(both_seeds) + " and " + more_text(both_times);
  const std::string most_seeds = rounded(kMostSeeds) + " seeds";
  if (c.own_rows) return "more than " + most_seeds;
  return "more than " + (c.n_seeds > 1 ? most_seeds + " and " : "") +
         rounded(kMostTimes * c.n_tokens) + " " + unit;
}

/// Mean over seeds of which each has rows of its own.
Estimate over_seeds_with_rows(const std::vector<std::vector<DocumentSum>>& per_seed,
                              const std::vector<double>& means) {
  std::vector<DocumentSum> all;
  for (const auto& rows : per_seed) all.insert(all.end(), rows.begin(), rows.end());
  Estimate out = mean_over_seeds(means);
  out.clusters = effective_documents(all);
  if (const std::string why = too_few_clusters(out.clusters, "rows"); !why.empty())
    out.interval.reset(), out.no_interval = why;
  return out;
}

/// As many lines as there are ways to draw: documents, documents and seeds, or seeds with rows.
void estimate_spread(const std::vector<std::vector<DocumentSum>>& per_seed,
                     const std::vector<double>& means, Comparison& out) {
  if (means.size() == 1) {
    out.difference = mean_loss(per_seed[0]);
    if (!out.difference.interval) return;
    out.document_error = error_over_documents(per_seed[0]);
    out.p_value = sign_flip_p_value(per_seed[0]);
    return;
  }
  out.difference = out.own_rows ? over_seeds_with_rows(per_seed, means)
                                : mean_over_seeds_and_documents(per_seed);
  if (!out.difference.interval) return;
  out.seed_error = error_over_seeds(means);
  if (!out.own_rows) out.document_error = error_of_documents_beside_seeds(per_seed);
  out.p_value = seeds_and_documents_p_value(out.difference.value, out.seed_error,
                                            static_cast<double>(means.size()), out.document_error,
                                            out.difference.clusters);
}

}  // namespace

void estimate_difference(const std::vector<std::vector<DocumentSum>>& per_seed,
                         const std::vector<int64_t>& seeds, Comparison& out) {
  std::vector<double> means;
  for (const auto& documents : per_seed) means.push_back(loss_per_token(documents));
  out.n_seeds = static_cast<int64_t>(seeds.size());
  for (size_t s = 0; s < seeds.size(); ++s) out.by_seed.emplace_back(seeds[s], means[s]);
  std::sort(out.by_seed.begin(), out.by_seed.end());
  estimate_spread(per_seed, means, out);
  auto& interval = out.difference.interval;
  if (!interval) return;
  if (out.unit == DifferenceUnit::accuracy)
    interval = {std::max(interval->low, -1.0), std::min(interval->high, 1.0)};
  out.smallest_detectable = design_of(out, kTestLevel).detectable();
  out.p_holm = out.p_false_discovery = out.p_value;
  set_detectable_after_holm(out);
}

void set_detectable_after_holm(Comparison& c) {
  if (!c.smallest_detectable) return;
  c.smallest_detectable_holm =
      c.n_declared == 1
          ? c.smallest_detectable
          : std::optional(
                design_of(c, kTestLevel / static_cast<double>(c.n_declared)).detectable());
}

std::string Comparison::to_settle() const { return what_settles(*this, kTestLevel); }

std::string Comparison::to_settle_holm() const {
  return what_settles(*this, kTestLevel / static_cast<double>(n_declared));
}

}  // namespace sublab
