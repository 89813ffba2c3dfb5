// How numbers, paths and mark-up look on a page.
#include "analysis/text/format.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "core/files.h"

namespace sublab {
namespace {

std::string printed(const char* form, int digits, double value) {
  char text[64];
  std::snprintf(text, sizeof text, form, digits, value);
  return text;
}

std::string true_minus(std::string text) {
  if (text.starts_with('-')) text.replace(0, 1, "−");
  return text;
}

}  // namespace

std::string fixed(double value, int digits) { return true_minus(printed("%.*f", digits, value)); }

std::string signed_fixed(double value, int digits) {
  return true_minus(printed("%+.*f", digits, value));
}

std::string significant(double value, int digits) {
  // No exponent where plain digits are as short.
  if (std::abs(value) >= std::pow(10, digits) && std::abs(value) < 1e7) return fixed(value, 0);
  return true_minus(printed("%.*g", digits, value));
}

std::string si_text(double value) {
  static const char* const units[] = {"", " k", " M", " G", " T", " P"};
  int unit = 0;
  while (std::abs(value) >= 999.5 && unit < 5) value /= 1000, ++unit;
  const double size = std::abs(value);
  return fixed(value, unit == 0 && value == std::floor(value) ? 0
                      : size >= 100                           ? 0
                      : size >= 10                            ? 1
                                                              : 2) +
         units[unit];
}

std::string megabytes(double bytes) {
  if (bytes >= 1e10) return fixed(bytes / 1e9, 1) + " GB";
  return fixed(bytes / 1e6, bytes < 1e7 ? 2 : 0) + " MB";
}

std::string metric_text(const MetricInfo& metric, double value) {
  switch (metric.shown) {
    case NumberStyle::fixed:
      return fixed(value, metric.digits);
    case NumberStyle::signed_fixed:
      return signed_fixed(value, metric.digits);
    case NumberStyle::si:
      return si_text(value);
    case NumberStyle::megabytes:
      return megabytes(value);
    case NumberStyle::significant:
      break;
  }
  return significant(value, metric.digits);
}

std::string interval_text(const Interval& interval, int digits) {
  const auto alike = [&] { return fixed(interval.low, digits) == fixed(interval.high, digits); };
  for (int more = 0; more < 8 && interval.low < interval.high && alike(); ++more) ++digits;
  return "[" + fixed(interval.low, digits) + ", " + fixed(interval.high, digits) + "]";
}

std::string shown_path(const std::string& given) {
  // STUDY_DIR:VARIANT, whose variant may have a slash in its name.
  if (const size_t colon = given.rfind(':'); colon != std::string::npos && colon > 0)
    return shown_path(given.substr(0, colon)) + given.substr(colon);
  fs::path path = fs::path(given).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();  // "ckpt/"
  const bool below = path.is_relative() && *path.begin() != ".." && !given.starts_with("~");
  if (below || path.empty()) return path.string();
  const fs::path folder = path.parent_path();
  return folder.filename() == "checkpoints" && folder.has_parent_path()
             ? (folder.parent_path().filename() / "checkpoints" / path.filename()).string()
             : path.filename().string();
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text)
    out += c == '&'    ? std::string("&amp;")
           : c == '<'  ? std::string("&lt;")
           : c == '>'  ? std::string("&gt;")
           : c == '"'  ? std::string("&quot;")
           : c == '\'' ? std::string("&#39;")
                       : std::string(1, c);
  return out;
}

size_t n_characters(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

}  // namespace sublab
