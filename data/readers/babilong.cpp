// BABILong's files, prompts and comparison of answers (data/readers/babilong.h).
#include "data/readers/babilong.h"

#include <algorithm>
#include <set>

#include "data/text_scores.h"

namespace sublab {
namespace babilong {

std::vector<std::string> names_of_tasks() {
  std::vector<std::string> out;
  for (const BabiLongTask& task : babilong_tasks()) out.push_back(task.name);
  return out;
}

constexpr const char* kExpected = "a list, or lines, of {\"input\", \"question\", \"target\"}";

/// The items of a file in either form; of a list the line is 0.
std::vector<JsonLine> values_of(DataFiles& files, const std::string& file) {
  const std::string bytes = files.read(file, kExpected);
  if (bytes[bytes.find_first_not_of(" \t\r\n")] != '[')
    return files.read_json_lines(file, kExpected);
  const json list = json::parse(bytes, nullptr, false);
  if (list.is_discarded()) files.refuse(file, 0, "is no JSON; expected " + std::string(kExpected));
  std::vector<JsonLine> out;
  for (const json& each : list) {
    if (!each.is_object())
      files.refuse(
          file, 0,
          "/" + std::to_string(out.size()) + " is no object; expected " + std::string(kExpected));
    out.push_back({each, 0});
  }
  if (out.empty()) files.refuse(file, 0, "is an empty list; expected " + std::string(kExpected));
  return out;
}

BabiLongItem item_of(DataFiles& files, const JsonLine& value, const BabiLongTask& task,
                     const std::string& file) {
  BabiLongItem item{files.text_of(value, "input", file), files.text_of(value, "question", file),
                    files.text_of(value, "target", file), std::nullopt};
  std::string target = text_scores::lower_case(item.target);
  for (size_t begin = 0; begin <= target.size();) {
    const size_t end = std::min(target.find(',', begin), target.size());
    const std::string part = target.substr(begin, end - begin);
    if (std::find(task.labels.begin(), task.labels.end(), part) == task.labels.end())
      files.refuse(file, value.line,
                   "has the target '" + item.target + "'; the answers of " + task.name + " are " +
                       join(task.labels));
    begin = end + 1;
  }
  if (!value.value.contains("depth")) return item;
  const json& depth = value.value["depth"];
  if (!depth.is_number() || depth.get<double>() < 0 || depth.get<double>() > 1)
    files.refuse(file, value.line, "has the depth " + depth.dump() + "; expected 0 to 1");
  item.depth = depth.get<double>();
  return item;
}

/// The labels in lower case that a text has somewhere.
std::set<std::string> labels_in(const std::string& text, const BabiLongTask& task) {
  std::set<std::string> out;
  for (const std::string& label : task.labels)
    if (text.find(label) != std::string::npos) out.insert(label);
  return out;
}

}  // namespace babilong

int64_t babilong_length(const std::string& name) {
  const size_t digits = std::min(name.find_first_not_of("0123456789"), name.size());
  if (digits == 0 || digits + 1 != name.size() || digits > 6) return -1;
  const int64_t n = std::stoll(name.substr(0, digits));
  return name.back() == 'k' ? n << 10 : name.back() == 'M' ? n << 20 : -1;
}

std::vector<BabiLongData> read_babilong(DataFiles& files, const std::vector<std::string>& tasks,
                                        const std::vector<std::string>& lengths,
                                        const std::string& where) {
  const auto published = babilong::names_of_tasks();
  for (const std::string& name : tasks)
    if (std::find(published.begin(), published.end(), name) == published.end())
      throw_unknown_name(where, "task of BABILong", name, published);
  std::vector<BabiLongData> out;
  std::string root;
  for (const std::string& name : published)
    if (!files.first_of({"data/" + name}).empty() && files.first_of({name}).empty()) root = "data/";
  for (const BabiLongTask& task : babilong_tasks()) {
    const bool asked = std::find(tasks.begin(), tasks.end(), task.name) != tasks.end();
    if (!tasks.empty() && !asked) continue;
    auto there = files.names(root + task.name, ".json");
    std::erase_if(there, [](const std::string& length) { return babilong_length(length) < 0; });
    std::sort(there.begin(), there.end(), [](const std::string& a, const std::string& b) {
      return babilong_length(a) < babilong_length(b);
    });
    for (const std::string& length : lengths.empty() ? there : lengths) {
      if (std::find(there.begin(), there.end(), length) == there.end()) {
        if (tasks.empty() && there.empty()) continue;  // a task that is not there
        throw UserError(where, "holds no " + root + task.name + "/" + length + ".json; it has " +
                                   (there.empty() ? "none" : join(there)));
      }
      const std::string file = root + task.name + "/" + length + ".json";
      BabiLongData data{&task, length, {}};
      for (const JsonLine& value : babilong::values_of(files, file))
        data.items.push_back(babilong::item_of(files, value, task, file));
      out.push_back(std::move(data));
    }
    if (asked && there.empty())
      throw UserError(where, "holds no " + root + task.name + "/LENGTH.json");
  }
  if (out.empty())
    throw UserError(where,
                    "holds no TASK/LENGTH.json such as qa1/4k.json; expected BABILong's "
                    "folder, or its data");
  return out;
}

BabiLongPrompt babilong_prompt(const BabiLongTask& task, const BabiLongItem& item, bool whole) {
  std::string before;
  if (whole)
    before = task.instruction + "\n\n" + task.examples + "\n\n" + task.answer_form + "\n\n";
  return {before + "<context>\n" + item.input,
          "\n</context>\n\nQuestion: " + text_scores::stripped(item.question)};
}

bool babilong_is_right(const BabiLongTask& task, const BabiLongItem& item,
                       const std::string& answer) {
  using text_scores::lower_case;
  std::string said = lower_case(answer);
  for (const char* end : {".", "<context>", "<example>"}) said = said.substr(0, said.find(end));
  auto named = babilong::labels_in(said, task);
  for (const std::string& label : babilong::labels_in(lower_case(item.question), task))
    named.erase(label);
  const std::string target = lower_case(item.target);
  std::set<std::string> wanted;
  for (size_t begin = 0; begin <= target.size();) {
    const size_t end = std::min(target.find(',', begin), target.size());
    wanted.insert(target.substr(begin, end - begin));
    begin = end + 1;
  }
  return named == wanted;
}

}  // namespace sublab
