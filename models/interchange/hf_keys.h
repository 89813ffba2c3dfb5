// Reading config.json of transformers.
#pragma once

#include <string>

#include "core/fields.h"

namespace sublab {

/// Reads one object of a config.json with the types that transformers 5 insists on.
class HfKeys {
 public:
  HfKeys(const json& object, std::string where) : object_(object), where_(std::move(where)) {
    if (!object_.is_object()) fields_detail::throw_type(where_, "an object", object_);
  }

  bool contains(const char* key) const { return object_.contains(key); }
  /// Present and not null.
  bool has(const char* key) const { return contains(key) && !object_[key].is_null(); }
  const json& at(const char* key) const { return object_.at(key); }
  std::string place(const char* key) const { return where_ + ": /" + key; }
  [[noreturn]] void refuse(const char* key, const std::string& why) const {
    throw UserError(where_, "/" + std::string(key) + " " + object_.at(key).dump() + " " + why);
  }

  int64_t size(const char* key, double least = 1) const {
    if (!contains(key)) throw UserError(where_, std::string("has no ") + key);
    return whole(key, 0, least);
  }
  int64_t whole(const char* key, int64_t otherwise, double least = 1) const {
    if (!contains(key)) return otherwise;
    const json& value = object_[key];
    if (!value.is_number_integer()) fields_detail::throw_type(place(key), "a whole number", value);
    fields_detail::check_number(place(key), value.get<double>(), within(least, 1e9));
    return value.get<int64_t>();
  }
  int64_t whole_or_null(const char* key, int64_t otherwise) const {
    return has(key) ? whole(key, otherwise) : otherwise;
  }
  double decimal(const char* key, double otherwise) const {
    if (!contains(key)) return otherwise;
    if (!object_[key].is_number_float())
      fields_detail::throw_type(place(key), "a decimal number, such as 1e-5", object_[key]);
    return object_[key].get<double>();
  }
  /// With or without a point.
  double number(const char* key, const Rule& rule = {}) const {
    if (!contains(key)) throw UserError(where_, std::string("has no ") + key);
    if (!object_[key].is_number()) fields_detail::throw_type(place(key), "a number", object_[key]);
    fields_detail::check_number(place(key), object_[key].get<double>(), rule);
    return object_[key].get<double>();
  }
  bool flag(const char* key, bool otherwise) const {
    bool value = otherwise;
    if (contains(key)) fields_detail::read_value(object_[key], place(key), value, Rule{});
    return value;
  }
  std::string text(const char* key, const std::string& otherwise) const {
    std::string value = otherwise;
    if (contains(key)) fields_detail::read_value(object_[key], place(key), value, Rule{});
    return value;
  }

 private:
  const json& object_;
  std::string where_;
};

}  // namespace sublab
