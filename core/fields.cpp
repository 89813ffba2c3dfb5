// Types, ranges and dotted keys, checked while JSON is read.
#include "core/fields.h"

#include <algorithm>
#include <sstream>

#include "core/utf8.h"

namespace sublab {
namespace {

std::string number_text(double value) {
  std::ostringstream out;
  out.precision(12);
  out << value;
  return out.str();
}

}  // namespace

std::string Rule::text() const {
  if (!names.empty()) return "one of: " + join(names);
  const bool low = std::isfinite(min), high = std::isfinite(max);
  if (low && high)
    return (min_excluded ? "(" : "[") + number_text(min) + ", " + number_text(max) + "]";
  if (low) return (min_excluded ? "> " : ">= ") + number_text(min);
  if (high) return "<= " + number_text(max);
  return "";
}

namespace fields_detail {
namespace {

/// A path as it stands in a message: that of a file's root is "FILE: " so far.
std::string place(const std::string& path) {
  return path.ends_with(": ") ? path.substr(0, path.size() - 2) : path;
}

}  // namespace

void throw_type(const std::string& path, const char* wanted, const json& given) {
  std::string shown = given.dump();
  if (shown.size() > 60) shown = shown.substr(0, 57) + "...";
  throw UserError(place(path), std::string("expected ") + wanted + ", got " + shown);
}

void check_number(const std::string& path, double value, const Rule& rule) {
  const bool low = rule.min_excluded ? value > rule.min : value >= rule.min;
  if (!std::isfinite(value) || !low || value > rule.max)
    throw UserError(path, number_text(value) + " is out of range; allowed: " + rule.text());
}

void check_name(const std::string& path, const std::string& value, const Rule& rule) {
  if (rule.names.empty()) return;
  if (std::find(rule.names.begin(), rule.names.end(), value) == rule.names.end())
    throw_unknown_name(path, "value", value, rule.names);
}

void check_keys(const json& object, const std::string& path,
                const std::vector<std::string>& known) {
  for (const auto& [key, value] : object.items())
    if (known.empty())
      throw UserError(place(path), "has no settings, so no '" + key + "'");
    else if (std::find(known.begin(), known.end(), key) == known.end())
      throw_unknown_name(place(path), "key", key, known);
}

}  // namespace fields_detail

std::string field_type_name(const json& value) {
  if (value.is_boolean()) return "bool";
  if (value.is_number_integer()) return "int";
  if (value.is_number()) return "number";
  if (value.is_string()) return "string";
  if (value.is_array()) return "list";
  if (value.is_null()) return "optional";
  return "object";
}

namespace {

/// A name stands for the object that has it as its "type" where settings are put beside it.
void lengthen(json& choice) {
  if (choice.is_string()) choice = json::object({{"type", choice}});
}

/// Whether both objects name a `key` ("type", "task"), and another one.
bool name_different(const json& a, const json& b, const char* key) {
  return a.contains(key) && b.contains(key) && a.at(key) != b.at(key);
}

/// Sets `to`. An object is put in key by key, so that what it leaves out stays; only where both
/// name their "type" or "task" and they differ do the settings of the old one go with it.
void merge(json& to, const json& value) {
  if (value.is_object() && !value.contains("type")) lengthen(to);
  const bool same_kind = to.is_object() && value.is_object() &&
                         !name_different(to, value, "type") && !name_different(to, value, "task");
  if (!same_kind) {
    to = value;
    return;
  }
  for (const auto& [key, item] : value.items()) merge(to[key], item);
}

}  // namespace

void set_by_dotted_key(json& root, const std::string& dotted_key, const json& value) {
  if (dotted_key.empty()) throw UserError(dotted_key, "is not a key");
  if (dotted_key.front() == '.' || dotted_key.back() == '.' ||
      dotted_key.find("..") != std::string::npos)
    throw UserError(dotted_key, "has an empty part between its dots");
  constexpr int64_t kMostParts = 50;
  if (std::count(dotted_key.begin(), dotted_key.end(), '.') >= kMostParts)
    throw UserError(dotted_key.substr(0, 40) + "...",
                    "has more than " + std::to_string(kMostParts) + " parts");
  json* node = &root;
  std::stringstream parts(dotted_key);
  std::string part, next;
  std::getline(parts, part, '.');
  while (std::getline(parts, next, '.')) {
    json& child = (*node)[part];
    if (child.is_null()) child = json::object();
    lengthen(child);
    if (!child.is_object())
      throw UserError(dotted_key, "'" + part + "' is not an object, so it has no '" + next + "'");
    node = &child;
    part = next;
  }
  merge((*node)[part], value);
}

void set_by_assignment(json& root, const std::string& assignment) {
  const size_t equals = assignment.find('=');
  if (equals == std::string::npos || equals == 0)
    throw UserError("--set " + assignment, "expected KEY=VALUE, for example model.n_heads=8");
  const std::string text = assignment.substr(equals + 1);
  json value = text;
  const bool is_list_or_object = text.starts_with('{') || text.starts_with('[');
  if (is_list_or_object || json::accept(text))
    value = parse_json(text, "--set " + assignment.substr(0, equals));
  if (value.is_string()) check_string(value, "--set " + assignment.substr(0, equals));
  if (value.is_object() && value.empty())
    throw UserError("--set " + assignment, "changes nothing; objects are merged, key by key");
  set_by_dotted_key(root, assignment.substr(0, equals), value);
}

}  // namespace sublab
