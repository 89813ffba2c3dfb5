// Estimates with intervals: over documents by bootstrap, over seeds by Student's t.
#include "analysis/statistics/statistics.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "core/random.h"

namespace sublab {
namespace {

constexpr int kResamples = 2000;
/// Spread below this, relative to the values and in nats, is that of rounding.
constexpr double kRounding = 1e-9;

bool is_rounding(double error, double scale) { return error <= kRounding * scale; }

double quantile(std::vector<double> sorted, double p) {
  const double place = p * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

/// A ratio of sums and its linearised standard error.
struct Ratio {
  double value, error;
};

Ratio ratio_of(const std::vector<DocumentSum>& documents, const std::vector<uint32_t>& chosen) {
  double loss = 0, tokens = 0;
  for (const uint32_t d : chosen) loss += documents[d].loss, tokens += documents[d].tokens;
  const double value = loss / tokens;
  double square = 0;
  for (const uint32_t d : chosen) {
    const double residual = documents[d].loss - value * documents[d].tokens;
    square += residual * residual;
  }
  const auto n = static_cast<double>(chosen.size());
  return {value, std::sqrt(square * n / std::max(n - 1, 1.0)) / tokens};
}

std::vector<DocumentSum> with_tokens(const std::vector<DocumentSum>& given) {
  std::vector<DocumentSum> out;
  for (const DocumentSum& document : given)
    if (document.tokens > 0) out.push_back(document);
  return out;
}

std::vector<uint32_t> all_of(const std::vector<DocumentSum>& documents) {
  std::vector<uint32_t> out(documents.size());
  std::iota(out.begin(), out.end(), 0u);
  return out;
}

/// By a studentised bootstrap; of documents that are not all alike.
Interval bootstrap(const std::vector<DocumentSum>& documents, const Ratio& whole, uint64_t seed) {
  std::vector<uint32_t> chosen = all_of(documents);
  double lowest = whole.value, highest = whole.value;
  for (const DocumentSum& document : documents) {
    lowest = std::min(lowest, document.loss / document.tokens);
    highest = std::max(highest, document.loss / document.tokens);
  }
  RandomSequence random(seed, "bootstrap");
  std::vector<double> t;
  constexpr double kFar = 1e200;  // a draw of documents that are all alike: no error to divide by
  for (int i = 0; i < kResamples; ++i) {
    for (uint32_t& d : chosen) d = static_cast<uint32_t>(random.below(documents.size()));
    const Ratio drawn = ratio_of(documents, chosen);
    const double away = drawn.value - whole.value;
    t.push_back(!is_rounding(drawn.error, whole.error)     ? away / drawn.error
                : is_rounding(std::abs(away), whole.error) ? 0
                                                           : std::copysign(kFar, away));
  }
  std::sort(t.begin(), t.end());
  return {std::clamp(whole.value - quantile(t, 0.975) * whole.error, lowest, whole.value),
          std::clamp(whole.value - quantile(t, 0.025) * whole.error, whole.value, highest)};
}

/// Value and clusters of a mean over documents, without its interval.
Estimate without_interval(const std::vector<DocumentSum>& documents) {
  Estimate out;
  out.clusters = effective_documents(documents);
  out.value = documents.empty() ? 0 : loss_per_token(documents);
  out.no_interval = too_few_clusters(out.clusters, "documents");
  return out;
}

std::vector<DocumentSum> mean_of_seeds(const std::vector<std::vector<DocumentSum>>& per_seed) {
  std::vector<DocumentSum> out = per_seed.front();
  for (size_t d = 0; d < out.size(); ++d) {
    out[d].loss = 0;
    for (const auto& documents : per_seed)
      out[d].loss += documents[d].loss / static_cast<double>(per_seed.size());
  }
  return out;
}

}  // namespace

std::string too_few_clusters(double clusters, const std::string& what) {
  if (clusters >= kFewestClusters) return "";
  char text[128];
  std::snprintf(text, sizeof text, "fewer than %.0f effective %s (%.1f)", kFewestClusters,
                what.c_str(), std::floor(10 * clusters) / 10);
  return text;
}

double effective_documents(const std::vector<DocumentSum>& documents) {
  double tokens = 0, squares = 0;
  for (const DocumentSum& document : documents)
    tokens += document.tokens, squares += document.tokens * document.tokens;
  return squares > 0 ? tokens * tokens / squares : 0;
}

double mean_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double loss_per_token(const std::vector<DocumentSum>& documents) {
  double loss = 0, tokens = 0;
  for (const DocumentSum& document : documents) loss += document.loss, tokens += document.tokens;
  return loss / tokens;
}

Estimate mean_loss(const std::vector<DocumentSum>& given, uint64_t seed) {
  const std::vector<DocumentSum> documents = with_tokens(given);
  Estimate out = without_interval(documents);
  if (!out.no_interval.empty()) return out;
  const Ratio whole = ratio_of(documents, all_of(documents));
  if (is_rounding(whole.error, std::max(1.0, std::abs(whole.value)))) {
    out.no_interval = "no spread between the documents beyond rounding";
    return out;
  }
  out.interval = bootstrap(documents, whole, seed);
  return out;
}

Estimate difference_of_means(const std::vector<DocumentSum>& a, const std::vector<DocumentSum>& b) {
  const auto total = [](const std::vector<DocumentSum>& parts) {
    DocumentSum sum;
    for (const DocumentSum& part : parts) sum.loss += part.loss, sum.tokens += part.tokens;
    return sum;
  };
  const DocumentSum all_a = total(a), all_b = total(b);
  const double mean_a = all_a.loss / all_a.tokens, mean_b = all_b.loss / all_b.tokens;
  Estimate out;
  out.value = mean_a - mean_b;
  double square = 0, n = 0, squares_a = 0, squares_b = 0;
  for (size_t d = 0; d < a.size(); ++d) {
    if (a[d].tokens + b[d].tokens == 0) continue;
    const double pull = (a[d].loss - mean_a * a[d].tokens) / all_a.tokens -
                        (b[d].loss - mean_b * b[d].tokens) / all_b.tokens;
    square += pull * pull;
    squares_a += a[d].tokens * a[d].tokens;
    squares_b += b[d].tokens * b[d].tokens;
    ++n;
  }
  out.clusters =
      std::min(all_a.tokens * all_a.tokens / squares_a, all_b.tokens * all_b.tokens / squares_b);
  out.no_interval = too_few_clusters(out.clusters, "blocks");
  if (!out.no_interval.empty()) return out;
  const double error = std::sqrt(square * n / (n - 1));
  if (is_rounding(error, std::max({1.0, std::abs(mean_a), std::abs(mean_b)}))) {
    out.no_interval = "no spread beyond rounding";
    return out;
  }
  const double half = student_quantile(0.975, n - 1) * error;
  out.interval = {out.value - half, out.value + half};
  return out;
}

double sign_flip_p_value(const std::vector<DocumentSum>& d, uint64_t seed) {
  double seen = 0;
  for (const DocumentSum& document : d) seen += document.loss;
  RandomSequence random(seed, "sign_flip");
  constexpr int kFlips = 10000;
  int as_large = 0;
  for (int i = 0; i < kFlips; ++i) {
    double sum = 0;
    uint64_t bits = 0;
    for (size_t k = 0; k < d.size(); ++k) {
      if (k % 64 == 0) bits = random.next();
      sum += (bits >> (k % 64) & 1) ? d[k].loss : -d[k].loss;
    }
    as_large += std::abs(sum) >= std::abs(seen) * (1 - 1e-12);
  }
  return (as_large + 1.0) / (kFlips + 1.0);
}

double error_over_seeds(const std::vector<double>& values) {
  const double mean = mean_of(values);
  double square = 0;
  for (const double value : values) square += (value - mean) * (value - mean);
  const auto n = static_cast<double>(values.size());
  return std::sqrt(square / (n - 1) / n);
}

double error_over_documents(const std::vector<DocumentSum>& documents) {
  const auto present = with_tokens(documents);
  return present.size() < 2 ? 0 : ratio_of(present, all_of(present)).error;
}

double error_of_documents_beside_seeds(const std::vector<std::vector<DocumentSum>>& per_seed) {
  const std::vector<DocumentSum> mean = mean_of_seeds(per_seed);
  const auto seeds = static_cast<double>(per_seed.size());
  // A seed's residual less the mean residual of its document: what the two drew together.
  std::vector<double> residual(mean.size()), square(mean.size());
  const auto residual_of = [](const std::vector<DocumentSum>& documents, size_t d, double value) {
    return documents[d].loss - value * documents[d].tokens;
  };
  const double value = loss_per_token(mean);
  for (size_t d = 0; d < mean.size(); ++d) residual[d] = residual_of(mean, d, value);
  for (const auto& documents : per_seed) {
    const double own = loss_per_token(documents);
    for (size_t d = 0; d < mean.size(); ++d)
      square[d] += std::pow(residual_of(documents, d, own) - residual[d], 2);
  }
  double tokens = 0, together = 0, n = 0;
  for (size_t d = 0; d < mean.size(); ++d) {
    tokens += mean[d].tokens, n += mean[d].tokens > 0;
    together += square[d] / (seeds - 1) / seeds;
  }
  const double all = error_over_documents(mean);
  return std::sqrt(
      std::max(all * all - together * n / std::max(n - 1, 1.0) / (tokens * tokens), 0.0));
}

Estimate mean_over_seeds(const std::vector<double>& values) {
  Estimate out;
  out.value = mean_of(values);
  out.clusters = static_cast<double>(values.size());
  if (values.size() < 2) {
    out.no_interval = "one seed";
    return out;
  }
  double scale = 1e-3;
  for (const double value : values) scale = std::max(scale, std::abs(value));
  const double error = error_over_seeds(values);
  if (is_rounding(error, scale)) {
    out.no_interval = "no spread between the seeds beyond rounding";
    return out;
  }
  const double half = student_quantile(0.975, static_cast<double>(values.size() - 1)) * error;
  out.interval = {out.value - half, out.value + half};
  return out;
}

Estimate mean_over_seeds_and_documents(const std::vector<std::vector<DocumentSum>>& per_seed) {
  std::vector<double> values;
  for (const auto& documents : per_seed) values.push_back(loss_per_token(documents));
  const std::vector<DocumentSum> mean = with_tokens(mean_of_seeds(per_seed));
  Estimate out = without_interval(mean);
  if (!out.no_interval.empty()) return out;
  const Ratio whole = ratio_of(mean, all_of(mean));
  const Estimate seeds = mean_over_seeds(values);
  const bool spread = !is_rounding(whole.error, std::max(1.0, std::abs(whole.value)));
  if (!spread && !seeds.interval) {
    out.no_interval = "no spread between seeds or documents beyond rounding";
    return out;
  }
  const double half = seeds.interval ? 0.5 * (seeds.interval->high - seeds.interval->low) : 0;
  const Interval drawn = spread ? bootstrap(mean, whole, 1) : Interval{whole.value, whole.value};
  const double share = spread ? error_of_documents_beside_seeds(per_seed) / whole.error : 0;
  out.interval = {out.value - std::hypot(half, share * (out.value - drawn.low)),
                  out.value + std::hypot(half, share * (drawn.high - out.value))};
  return out;
}

double seeds_and_documents_p_value(double value, double seed_error, double seeds,
                                   double document_error, double documents) {
  if (seed_error == 0 && document_error == 0) return value == 0 ? 1 : 0;
  double low = 0, high = 1;  // p lies between them
  for (int i = 0; i < 60; ++i) {
    const double p = 0.5 * (low + high);
    const double of_seeds =
        seed_error > 0 ? seed_error * student_quantile(1 - p / 2, seeds - 1) : 0;
    const double half = std::hypot(
        of_seeds, document_error * student_quantile(1 - p / 2, std::max(documents - 1, 1.0)));
    (half > std::abs(value) ? low : high) = p;
  }
  return high;
}

std::vector<DocumentSum> differences(const std::vector<DocumentSum>& a,
                                     const std::vector<DocumentSum>& b) {
  std::vector<DocumentSum> out(a.size());
  for (size_t d = 0; d < a.size(); ++d) out[d] = {a[d].loss - b[d].loss, a[d].tokens};
  return out;
}

Estimate proportion(double hits, double n) {
  Estimate out;
  if (n <= 0) return out;
  constexpr double z = 1.959963984540054;
  const double p = hits / n, z2 = z * z;
  const double middle = (p + z2 / (2 * n)) / (1 + z2 / n);
  const double half = z * std::sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n);
  out.value = p;
  out.clusters = n;
  out.no_interval = too_few_clusters(n, "rows");
  if (out.no_interval.empty())
    out.interval = {std::max(0.0, middle - half), std::min(1.0, middle + half)};
  return out;
}

Estimate accuracy(const std::vector<AnswerCounts>& per_seed) {
  double right = 0, all = 0;
  std::vector<double> shares;
  for (const AnswerCounts& counts : per_seed) {
    if (counts.all() <= 0) continue;
    right += counts.right, all += counts.all();
    shares.push_back(counts.right / counts.all());
  }
  Estimate out = proportion(right, all);
  if (!out.interval || shares.size() < 2) return out;
  const Estimate seeds = mean_over_seeds(shares);
  if (!seeds.interval) return out;  // all alike: what is left are the rows
  const double half = 0.5 * (seeds.interval->high - seeds.interval->low);
  out.interval = {std::max(0.0, out.value - std::hypot(half, out.value - out.interval->low)),
                  std::min(1.0, out.value + std::hypot(half, out.interval->high - out.value))};
  return out;
}

double median(std::vector<double> values) { return percentile(std::move(values), 0.5); }

double percentile(std::vector<double> values, double p) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return quantile(values, p);
}

}  // namespace sublab
