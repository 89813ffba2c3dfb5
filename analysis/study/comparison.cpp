// What a comparison's numbers allow to be said.
#include "analysis/study/comparison.h"

#include "analysis/text/format.h"

namespace sublab {
namespace {

/// "better" or "worse", by the sign of the difference.
std::string direction(const Comparison& c) {
  const bool lower_is_better = c.unit != DifferenceUnit::accuracy;
  return (c.difference.value < 0) == lower_is_better ? "better" : "worse";
}

}  // namespace

std::string target_of(int64_t n_seeds) { return n_seeds > 1 ? "the recipe" : "these checkpoints"; }

std::string Comparison::target() const { return target_of(n_seeds); }

bool Comparison::differs() const {
  return possible && difference.interval && p_holm && *p_holm < kTestLevel &&
         !difference.interval->contains(0);
}

bool Comparison::equivalent() const {
  return possible && p_equivalence_holm && *p_equivalence_holm < kTestLevel;
}

std::string Comparison::verdict() const {
  if (!possible) return "";
  if (equivalent()) return "equivalent";
  return differs() ? direction(*this) : "unclear";
}

std::string Comparison::verdict_text() const {
  const std::string word = verdict();
  if (equivalent() && differs())
    return word + " (" + direction(*this) + ", by less than " +
           significant(*equivalence_margin, 3) + ")";
  if (word != "unclear" || !difference.interval || difference.interval->contains(0)) return word;
  return *p_value < kTestLevel
             ? "unclear after correction (p = " + fixed(*p_holm, 3) + ", Holm)"
             : "unclear (p = " + fixed(*p_value, 3) + ", the interval is approximate)";
}

const char* Comparison::unit_text() const {
  switch (unit) {
    case DifferenceUnit::nats_per_token:
      return "nats per token";
    case DifferenceUnit::bits_per_byte:
      return "bits per byte";
    case DifferenceUnit::accuracy:
      return "of all answers";
  }
  return "";
}

void test_equivalence(const EquivalenceMargins& margins, Comparison& c) {
  std::optional<double> margin;
  if (c.unit == DifferenceUnit::nats_per_token) margin = margins.loss_nats;
  if (c.unit == DifferenceUnit::accuracy) margin = margins.accuracy;
  if (!margin) return;
  c.equivalence_margin = margin;
  if (!c.difference.interval) return;
  c.p_equivalence = equivalence_p_value(c.difference.value, *margin,
                                        {.of_seeds = c.seed_error,
                                         .seeds = static_cast<double>(c.n_seeds),
                                         .of_documents = c.document_error,
                                         .documents = c.difference.clusters});
  c.p_equivalence_holm = c.p_equivalence;
}

}  // namespace sublab
