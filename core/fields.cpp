// Types, ranges and dotted keys, checked while JSON is read.
#include "core/fields.h"

#include <algorithm>
#include <sstream>

#include "core/json_parts.h"
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
    if (std::find(known.begin(), known.end(), key) == known.end())
      throw_unknown_name(place(path), "key", key, known);
}

}  // namespace fields_detail

/// A string that goes on into file names, programs and other JSON.
static void check_string(const std::string& text, const std::string& where) {
  if (text.find('\0') != std::string::npos)
    throw UserError(where, "has a NUL character in a string");
  for (size_t at = 0; at < text.size();) {
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      ++at;
      continue;
    }
    const size_t n = utf8_length(text, at);
    if (n == 0) throw UserError(where, "has a string that is not UTF-8");
    at += n;
  }
}

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
  if (json::accept(text)) value = parse_json(text, "--set " + assignment.substr(0, equals));
  if (value.is_string()) check_string(value, "--set " + assignment.substr(0, equals));
  if (value.is_object() && value.empty())
    throw UserError("--set " + assignment, "changes nothing; objects are merged, key by key");
  set_by_dotted_key(root, assignment.substr(0, equals), value);
}

namespace {

/// Builds the value while nlohmann's parser walks over the text, and watches what it must not hold.
class Builder : public nlohmann::json_sax<json> {
 public:
  /// `left_out` names values of the second level, "audit/checks", that are passed over.
  explicit Builder(const std::string& where, std::vector<std::string> left_out = {})
      : where_(where), left_out_(std::move(left_out)) {}
  json take() { return std::move(root_); }

  bool null() override { return put(nullptr); }
  bool boolean(bool value) override { return put(value); }
  bool number_integer(number_integer_t value) override { return put(value); }
  bool number_unsigned(number_unsigned_t value) override { return put(value); }
  bool number_float(number_float_t value, const string_t&) override { return put(value); }
  bool binary(binary_t&) override { return false; }  // not in text
  bool string(string_t& value) override {
    check_string(value, where_);
    return put(std::move(value));
  }
  bool start_object(size_t) override { return open(json::object()); }
  bool start_array(size_t) override { return open(json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    if (passing_over_ > 0) return true;
    check_string(name, where_);
    if (!left_out_.empty() && pass_over(name)) return true;
    auto& object = open_.back()->get_ref<json::object_t&>();
    const size_t before = object.size();
    const auto at = object.emplace_hint(object.end(), name, nullptr);
    // A duplicate key would silently win over the first one; it is a mistake, so it is refused.
    if (object.size() == before)
      throw UserError(where_, "the key '" + name + "' stands twice in one object");
    slot_ = &at->second;
    return true;
  }
  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception& error) override {
    if (const auto* wrong = dynamic_cast<const json::parse_error*>(&error)) throw *wrong;
    if (const auto* large = dynamic_cast<const json::out_of_range*>(&error)) throw *large;
    throw UserError(where_, error.what());
  }

 private:
  json* put(json&& value, bool) {
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    if (open_.back()->is_array()) {
      open_.back()->push_back(std::move(value));
      return &open_.back()->back();
    }
    *slot_ = std::move(value);
    return slot_;
  }
  template <class T>
  bool put(T&& value) {
    if (passing_over_ > 0)
      passing_over_ -= passing_over_ == 1;  // the value itself, or one within it
    else
      put(json(std::forward<T>(value)), true);
    return true;
  }
  /// Whether the value of this key is one of those that are left out. 1 = it comes next; above,
  /// one more for every container that is open in it.
  bool pass_over(const std::string& name) {
    if (open_.size() == 1) first_key_ = name;
    passing_over_ = open_.size() == 2 && std::find(left_out_.begin(), left_out_.end(),
                                                   first_key_ + "/" + name) != left_out_.end();
    return passing_over_ > 0;
  }
  bool open(json&& container) {
    if (passing_over_ > 0) return ++passing_over_;
    // Whoever walks over a value, prints it or copies it goes down by recursion.
    constexpr size_t kDeepest = 200;
    if (open_.size() >= kDeepest)
      throw UserError(where_, "is nested more than " + std::to_string(kDeepest) + " levels deep");
    open_.push_back(put(std::move(container), true));
    return true;
  }
  bool close() {
    if (passing_over_ > 0) {
      if (--passing_over_ == 1) passing_over_ = 0;
      return true;
    }
    open_.pop_back();
    return true;
  }

  const std::string& where_;
  std::vector<std::string> left_out_;
  std::string first_key_;  ///< of the outermost object, read last
  size_t passing_over_ = 0;
  json root_;
  std::vector<json*> open_;  ///< containers that are being filled, the outermost first
  json* slot_ = nullptr;     ///< the value of the key that was read last
};

}  // namespace

json parse_json(const std::string& text, const std::string& where) {
  return parse_json_without(text, where, {});
}

json parse_json_without(const std::string& text, const std::string& where,
                        const std::vector<std::string>& left_out) {
  if (const size_t nul = text.find('\0'); nul != std::string::npos)
    throw UserError(where, "is no JSON: it has a NUL byte at byte " + std::to_string(nul));
  try {
    Builder builder(where, left_out);
    json::sax_parse(text, &builder, json::input_format_t::json, /*strict=*/true,
                    /*ignore_comments=*/true);
    return builder.take();
  } catch (const json::parse_error& error) {
    const std::string upto = text.substr(0, error.byte > 0 ? error.byte - 1 : 0);
    const auto line = 1 + std::count(upto.begin(), upto.end(), '\n');
    const auto column =
        upto.size() - (upto.rfind('\n') == std::string::npos ? 0 : upto.rfind('\n') + 1) + 1;
    throw UserError(where, "is not valid JSON at line " + std::to_string(line) + ", column " +
                               std::to_string(column));
  } catch (const json::out_of_range&) {
    throw UserError(where, "holds a number too large to be one, such as 1e999");
  }
}

}  // namespace sublab
