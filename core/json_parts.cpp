// One builder behind all JSON that is read: strict about keys that stand twice, text and depth.
#include "core/json_parts.h"

#include <algorithm>

#include "core/utf8.h"

namespace sublab {
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
