#include "analysis/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/random.h"

namespace sublab {
namespace {

constexpr double kTooFewClusters = 20;
constexpr int kResamples = 2000;

/// Continued fraction of the incomplete beta function (Lentz).
double beta_fraction(double a, double b, double x) {
  constexpr double kTiny = 1e-300;
  double c = 1, d = 1 - (a + b) * x / (a + 1);
  d = 1 / (std::abs(d) < kTiny ? kTiny : d);
  double h = d;
  for (int m = 1; m < 500; ++m) {
    for (const bool odd : {false, true}) {
      const double numerator = odd ? -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
                                   : m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
      d = 1 + numerator * d;
      d = 1 / (std::abs(d) < kTiny ? kTiny : d);
      c = 1 + numerator / (std::abs(c) < kTiny ? kTiny : c);
      h *= d * c;
    }
    if (std::abs(d * c - 1) < 1e-15) break;
  }
  return h;
}

double incomplete_beta(double a, double b, double x) {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const double front = std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) +
                                a * std::log(x) + b * std::log1p(-x));
  return x < (a + 1) / (a + b + 2) ? front * beta_fraction(a, b, x) / a
                                   : 1 - front * beta_fraction(b, a, 1 - x) / b;
}

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

Estimate bootstrap(const std::vector<DocumentSum>& given, uint64_t seed) {
  const std::vector<DocumentSum> documents = with_tokens(given);
  Estimate out;
  if (documents.empty()) return out;
  double tokens = 0, squares = 0;
  for (const DocumentSum& document : documents)
    tokens += document.tokens, squares += document.tokens * document.tokens;
  out.clusters = tokens * tokens / squares;
  out.reliable = out.clusters >= kTooFewClusters;
  std::vector<uint32_t> chosen = all_of(documents);
  const Ratio whole = ratio_of(documents, chosen);
  out.value = whole.value;
  out.interval = {whole.value, whole.value};
  if (documents.size() < 2 || whole.error == 0) return out;
  RandomSequence random(seed, "bootstrap");
  std::vector<double> t;
  for (int i = 0; i < kResamples; ++i) {
    for (uint32_t& d : chosen) d = static_cast<uint32_t>(random.below(documents.size()));
    const Ratio drawn = ratio_of(documents, chosen);
    if (drawn.error > 0) t.push_back((drawn.value - whole.value) / drawn.error);
  }
  if (t.empty()) return out;
  std::sort(t.begin(), t.end());
  out.interval = {whole.value - quantile(t, 0.975) * whole.error,
                  whole.value - quantile(t, 0.025) * whole.error};
  return out;
}

double mean_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

}  // namespace

double student_cdf(double t, double freedom) {
  const double tail = 0.5 * incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t));
  return t > 0 ? 1 - tail : tail;
}

double student_quantile(double p, double freedom) {
  double low = -1, high = 1;
  while (student_cdf(low, freedom) > p) low *= 2;
  while (student_cdf(high, freedom) < p) high *= 2;
  for (int i = 0; i < 200; ++i) {
    const double middle = 0.5 * (low + high);
    (student_cdf(middle, freedom) < p ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

double student_p_value(double t, double freedom) {
  return 2 * (1 - student_cdf(std::abs(t), freedom));
}

Estimate mean_loss(const std::vector<DocumentSum>& documents, uint64_t seed) {
  return bootstrap(documents, seed);
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

Estimate mean_over_seeds(const std::vector<double>& values) {
  Estimate out;
  out.value = mean_of(values);
  out.clusters = static_cast<double>(values.size());
  const double half =
      student_quantile(0.975, static_cast<double>(values.size() - 1)) * error_over_seeds(values);
  out.interval = {out.value - half, out.value + half};
  return out;
}

Estimate mean_over_seeds_and_documents(const std::vector<std::vector<DocumentSum>>& per_seed) {
  std::vector<DocumentSum> mean(per_seed.front().size());
  std::vector<double> values;
  for (const auto& documents : per_seed) {
    double loss = 0, tokens = 0;
    for (size_t d = 0; d < documents.size(); ++d) {
      mean[d].loss += documents[d].loss / static_cast<double>(per_seed.size());
      mean[d].tokens = documents[d].tokens;
      loss += documents[d].loss, tokens += documents[d].tokens;
    }
    values.push_back(loss / tokens);
  }
  const Estimate seeds = mean_over_seeds(values);
  Estimate out = bootstrap(mean, 1);
  const double half = 0.5 * (seeds.interval.high - seeds.interval.low);
  out.interval = {out.value - std::hypot(half, out.value - out.interval.low),
                  out.value + std::hypot(half, out.interval.high - out.value)};
  return out;
}

double seeds_and_documents_p_value(double value, double seed_error, double seeds,
                                   double document_error, double documents) {
  if (seed_error == 0 && document_error == 0) return value == 0 ? 1 : 0;
  double low = 0, high = 1;  // p lies between them
  for (int i = 0; i < 60; ++i) {
    const double p = 0.5 * (low + high);
    const double half =
        std::hypot(seed_error * student_quantile(1 - p / 2, seeds - 1),
                   document_error * student_quantile(1 - p / 2, std::max(documents - 1, 1.0)));
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

std::vector<double> holm(const std::vector<double>& p_values) {
  std::vector<size_t> order(p_values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return p_values[a] < p_values[b]; });
  std::vector<double> out(p_values.size());
  double highest = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    highest = std::max(highest,
                       std::min(1.0, p_values[order[i]] * static_cast<double>(order.size() - i)));
    out[order[i]] = highest;
  }
  return out;
}

std::vector<double> benjamini_hochberg(const std::vector<double>& p_values) {
  std::vector<size_t> order(p_values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return p_values[a] < p_values[b]; });
  std::vector<double> out(p_values.size());
  double lowest = 1;
  for (size_t i = order.size(); i-- > 0;) {
    lowest = std::min(lowest, p_values[order[i]] * static_cast<double>(order.size()) /
                                  static_cast<double>(i + 1));
    out[order[i]] = lowest;
  }
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
  out.interval = {std::max(0.0, middle - half), std::min(1.0, middle + half)};
  out.clusters = n;
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
  if (shares.size() < 2) return out;
  const Estimate seeds = mean_over_seeds(shares);
  const double half = 0.5 * (seeds.interval.high - seeds.interval.low);
  out.interval = {std::max(0.0, out.value - std::hypot(half, out.value - out.interval.low)),
                  std::min(1.0, out.value + std::hypot(half, out.interval.high - out.value))};
  return out;
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return quantile(values, 0.5);
}

double percentile(std::vector<double> values, double p) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return quantile(values, p);
}

Estimate speed_ratio(const std::vector<double>& reference_seconds,
                     const std::vector<double>& own_seconds) {
  std::vector<double> ratios;
  for (size_t r = 0; r < std::min(reference_seconds.size(), own_seconds.size()); ++r)
    ratios.push_back(reference_seconds[r] / own_seconds[r]);
  std::sort(ratios.begin(), ratios.end());
  Estimate out;
  if (ratios.empty()) return out;
  out.value = quantile(ratios, 0.5);
  out.clusters = static_cast<double>(ratios.size());
  // The widest k with P(Binomial(n, 1/2) <= k - 1) <= 0.025: [x_k, x_{n+1-k}] covers 95 %.
  const auto n = static_cast<int>(ratios.size());
  double tail = 0, term = std::pow(0.5, n);
  int k = 0;
  while (k < n && tail + term <= 0.025) {
    tail += term;
    term *= static_cast<double>(n - k) / (k + 1);
    ++k;
  }
  out.reliable = k > 0;
  out.interval =
      k > 0 ? Interval{ratios[k - 1], ratios[n - k]} : Interval{ratios.front(), ratios.back()};
  return out;
}

SpeedVerdict speed_verdict(const Estimate& ratio, const Estimate& noise) {
  const double low = std::min(noise.interval.low, 1.0), high = std::max(noise.interval.high, 1.0);
  if (!ratio.reliable) return {"unclear", "too few rounds for an interval"};
  if (ratio.interval.low > high) return {"faster", ""};
  if (ratio.interval.high < low) return {"slower", ""};
  // A difference below a tenth is called none, where the machine could have shown one.
  constexpr double kSame = 0.1;
  if (high - low >= kSame) return {"unclear", "the reference against itself varies by as much"};
  if (ratio.interval.low >= low && ratio.interval.high <= high) return {"same", ""};
  return {"unclear", "its interval reaches into that of the reference against itself"};
}

}  // namespace sublab
