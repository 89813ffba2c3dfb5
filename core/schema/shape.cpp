// Kinds of values in free-form JSON.
#include "core/schema/shape.h"

#include <algorithm>

#include "core/schema/trial_config.h"

namespace sublab {
namespace {

struct KindName {
  bool (*fits)(const json& value);
  const char* text;
};

/// In the order of Kind.
const KindName kKinds[] = {{[](const json& v) { return v.is_number(); }, "a number"},
                           {[](const json& v) { return v.is_string(); }, "a string"},
                           {[](const json& v) { return v.is_boolean(); }, "true or false"},
                           {[](const json& v) { return v.is_object(); }, "an object"},
                           {[](const json& v) {
                              return v.is_array() &&
                                     std::all_of(v.begin(), v.end(),
                                                 [](const json& item) { return item.is_string(); });
                            },
                            "a list of names"}};

/// The value at "/a/b", or null where there is none. (A json_pointer would be parsed each time.)
const json* value_at(const json& root, std::string_view pointer) {
  const json* at = &root;
  while (!pointer.empty()) {
    pointer.remove_prefix(1);
    const size_t end = std::min(pointer.find('/'), pointer.size());
    if (!at->is_object()) return nullptr;
    const auto found = at->find(std::string(pointer.substr(0, end)));
    if (found == at->end()) return nullptr;
    at = &*found;
    pointer.remove_prefix(end);
  }
  return at;
}

}  // namespace

void check_shapes(const json& root, const std::string& where, const std::vector<Shape>& shapes) {
  for (const Shape& shape : shapes) {
    const KindName& kind = kKinds[static_cast<int>(shape.kind)];
    const json* found = value_at(root, shape.pointer);
    if (!found && !shape.needed) continue;
    static const json kNothing;
    const json& value = found ? *found : kNothing;
    if (!kind.fits(value)) fields_detail::throw_type(where + shape.pointer, kind.text, value);
  }
}

void check_config(const json& config, const std::string& where) {
  check_shapes(config, where,
               {{"/model", Kind::object, true},
                {"/data", Kind::object, true},
                {"/data/corpus", Kind::names, true},
                {"/data/context_len", Kind::number, true},
                {"/data/tokenizer", Kind::text, true},
                {"/train", Kind::object, true},
                {"/train/tokens", Kind::number, true},
                {"/train/batch_tokens", Kind::number, true},
                {"/train/learning_rate", Kind::number, true},
                {"/train/final_learning_rate", Kind::number, true},
                {"/train/recompute", Kind::flag}});
  const json train_on = config["data"].value("train_on", json());
  if (train_task_of(train_on).empty())
    fields_detail::throw_type(where + "/data/train_on", "\"text\", or what names a task", train_on);
}

}  // namespace sublab
