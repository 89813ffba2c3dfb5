// Names of rates, and the best of them.
#include "core/schema/calibration.h"

#include <cctype>

namespace sublab {
namespace {

constexpr const char* kMatmul = "matmul_";
constexpr const char* kUnit = "_gflops_per_s";
constexpr double kGiga = 1e9;

/// What stands between the name's beginning and its unit, or nothing for another name.
std::optional<std::string> middle_of(const std::string& name) {
  const std::string begin = kMatmul, end = kUnit;
  if (!name.starts_with(begin) || !name.ends_with(end)) return std::nullopt;
  return name.substr(begin.size(), name.size() - begin.size() - end.size());
}

}  // namespace

std::string matmul_rate_name(const std::string& dtype, const std::string& shape) {
  return kMatmul + (dtype == "float32" ? "" : dtype + "_") + shape + kUnit;
}

std::optional<Ceiling> matmul_ceiling(const json& calibration, const std::string& dtype) {
  std::optional<Ceiling> best;
  for (const auto& [name, value] : calibration.items()) {
    const auto middle = middle_of(name);
    if (!middle || middle->empty() || !value.is_number()) continue;
    const bool plain = std::isdigit(static_cast<unsigned char>(middle->front()));
    const size_t cut = plain ? 0 : middle->find('_') + 1;
    const std::string of = plain ? "float32" : middle->substr(0, cut - (cut > 0));
    const double rate = value.get<double>() * kGiga;
    if (of == dtype && (!best || rate > best->per_s))
      best = Ceiling{rate, dtype + ", " + middle->substr(cut)};
  }
  return best;
}

std::optional<Ceiling> read_ceiling(const json& calibration) {
  const auto found = calibration.find("read_gb_per_s");
  if (found == calibration.end() || !found->is_number()) return std::nullopt;
  return Ceiling{found->get<double>() * kGiga, "read"};
}

}  // namespace sublab
