// A config says each of its fields once; JSON in and out, help and range checks follow from that.
//
//   struct SwigluConfig {
//     int64_t d_ff = 512;
//     template <class F> void fields(F& f) {
//       f("d_ff", d_ff, "width of the feed-forward part", within(1, 1 << 20));
//     }
//   };
//
// Field types: bool, int64_t, double, std::string, std::vector and std::optional of these, nested
// configs, and nlohmann::json (kept as it is). Reading is strict: an unknown key, a wrong type or a
// value out of range throws UserError with the JSON path.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "core/error.h"

namespace sublab {

using json = nlohmann::json;

/// What a value may be. Default: anything of the right type.
struct Rule {
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  bool min_excluded = false;
  std::vector<std::string> names;  ///< for strings: the allowed ones; empty = any

  std::string text() const;
};

inline Rule within(double min, double max) { return {min, max, false, {}}; }
inline Rule above(double min, double max = std::numeric_limits<double>::infinity()) {
  return {min, max, true, {}};
}
inline Rule one_of(std::vector<std::string> names) {
  Rule rule;
  rule.names = std::move(names);
  return rule;
}

namespace fields_detail {

template <class T>
struct is_vector : std::false_type {};
template <class T>
struct is_vector<std::vector<T>> : std::true_type {};
template <class T>
struct is_optional : std::false_type {};
template <class T>
struct is_optional<std::optional<T>> : std::true_type {};

[[noreturn]] void throw_type(const std::string& path, const char* wanted, const json& given);
void check_number(const std::string& path, double value, const Rule& rule);
void check_name(const std::string& path, const std::string& value, const Rule& rule);
void check_keys(const json& object, const std::string& path, const std::vector<std::string>& known);

template <class T>
void read_value(const json& from, const std::string& path, T& to, const Rule& rule);

/// Visitor that fills a config from a JSON object.
class Reader {
 public:
  Reader(const json& object, std::string path) : object_(object), path_(std::move(path)) {
    if (!object_.is_object()) throw_type(path_, "an object", object_);
  }
  template <class T>
  void operator()(const char* name, T& value, const char*, const Rule& rule = {}) {
    known_.push_back(name);
    const auto it = object_.find(name);
    if (it != object_.end()) read_value(*it, path_ + "/" + name, value, rule);
  }
  void finish() const { check_keys(object_, path_, known_); }

 private:
  const json& object_;
  std::string path_;
  std::vector<std::string> known_;
};

template <class T>
json write_value(const T& value);

/// Visitor that writes every field, defaults included.
class Writer {
 public:
  template <class T>
  void operator()(const char* name, T& value, const char*, const Rule& = {}) {
    object[name] = write_value(value);
  }
  json object = json::object();
};

template <class T>
void read_value(const json& from, const std::string& path, T& to, const Rule& rule) {
  if constexpr (std::is_same_v<T, json>) {
    to = from;
  } else if constexpr (std::is_same_v<T, bool>) {
    if (!from.is_boolean()) throw_type(path, "true or false", from);
    to = from.get<bool>();
  } else if constexpr (std::is_integral_v<T>) {
    const bool whole =
        from.is_number_integer() ||
        (from.is_number_float() && std::floor(from.get<double>()) == from.get<double>() &&
         std::abs(from.get<double>()) < 9e15);
    if (!whole) throw_type(path, "a whole number", from);
    check_number(path, from.get<double>(), rule);
    to = from.is_number_integer() ? from.get<T>() : static_cast<T>(from.get<double>());
  } else if constexpr (std::is_floating_point_v<T>) {
    if (!from.is_number()) throw_type(path, "a number", from);
    check_number(path, from.get<double>(), rule);
    to = from.get<T>();
  } else if constexpr (std::is_same_v<T, std::string>) {
    if (!from.is_string()) throw_type(path, "a string", from);
    check_name(path, from.get<std::string>(), rule);
    to = from.get<std::string>();
  } else if constexpr (is_optional<T>::value) {
    if (from.is_null()) {
      to.reset();
    } else {
      typename T::value_type value{};
      read_value(from, path, value, rule);
      to = std::move(value);
    }
  } else if constexpr (is_vector<T>::value) {
    if (!from.is_array()) throw_type(path, "a list", from);
    T values(from.size());
    for (size_t i = 0; i < from.size(); ++i)
      read_value(from[i], path + "/" + std::to_string(i), values[i], rule);
    to = std::move(values);
  } else {
    Reader reader(from, path);
    to.fields(reader);
    reader.finish();
  }
}

template <class T>
json write_value(const T& value) {
  if constexpr (std::is_same_v<T, json> || std::is_arithmetic_v<T> ||
                std::is_same_v<T, std::string>) {
    return value;
  } else if constexpr (is_optional<T>::value) {
    return value ? write_value(*value) : json(nullptr);
  } else if constexpr (is_vector<T>::value) {
    json list = json::array();
    for (const auto& item : value) list.push_back(write_value(item));
    return list;
  } else {
    Writer writer;
    const_cast<T&>(value).fields(writer);
    return writer.object;
  }
}

}  // namespace fields_detail

/// One line of help for one field.
struct FieldHelp {
  std::string name;
  std::string type;  ///< "int", "number", "string", "bool", "list", "object"
  std::string default_text;
  std::string help;
  std::string allowed;  ///< "" when anything of the type goes
};

/// Fills `config` from `object`; keys that are absent keep their value. Throws UserError.
template <class Config>
void read_fields(const json& object, const std::string& path, Config& config) {
  fields_detail::read_value(object, path, config, Rule{});
}

/// Every field of `config`, defaults included.
template <class Config>
json write_fields(const Config& config) {
  return fields_detail::write_value(config);
}

std::string field_type_name(const json& default_value);

namespace fields_detail {

/// Visitor that collects help.
class Describer {
 public:
  template <class T>
  void operator()(const char* name, T& value, const char* help, const Rule& rule = {}) {
    const json written = write_value(value);
    lines.push_back({name, field_type_name(written), written.dump(), help, rule.text()});
  }
  std::vector<FieldHelp> lines;
};

}  // namespace fields_detail

/// Help for the fields of a default-constructed `Config`, in the order they are declared.
template <class Config>
std::vector<FieldHelp> describe_fields() {
  fields_detail::Describer describer;
  Config config;
  config.fields(describer);
  return describer.lines;
}

/// Sets `root["a"]["b"]` for "a.b", making objects on the way; an object is merged into the one
/// that stands there, unless their "type" or "task" differs. A string on the way is short for an
/// object with that "type". Throws UserError when a step of it is no object.
void set_by_dotted_key(json& root, const std::string& dotted_key, const json& value);

/// Splits "model.n_heads=8" and sets it; the value is read as JSON, or as a string where it is
/// none. An empty object is refused: it changes nothing.
void set_by_assignment(json& root, const std::string& assignment);

/// Parses JSON that may hold // and /* */ comments. Throws UserError with `where`, line and column.
json parse_json(const std::string& text, const std::string& where);

}  // namespace sublab
