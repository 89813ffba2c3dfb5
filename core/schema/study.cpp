// From a study's JSON with its // comments to values; sweeps are expanded here.
#include "core/schema/study.h"

#include <algorithm>
#include <set>

#include "core/distinct.h"
#include "core/json_text.h"
#include "core/schema/equal_cost.h"

namespace sublab {
namespace {

[[noreturn]] void refuse(const auto& path, const auto& what) { throw UserError(path, what); }

const json& object_at(const json& value, const std::string& path) {
  if (!value.is_object()) fields_detail::throw_type(path, "an object", value);
  return value;
}

/// Names of studies, variants, probes and curves: they become folders, options and rows of tables.
void check_name(const std::string& name, const std::string& path) {
  if (name.empty() || name.size() > 80 || name.front() == '.' || name.front() == '-' ||
      name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.") !=
          std::string::npos)
    refuse(path, json(name).dump(-1, ' ', false, json::error_handler_t::replace) +
                     " is not a name; allowed: 1 to 80 letters, digits, '_', '-' and '.', and no "
                     "'-' or '.' at the beginning");
}

void check_free_name(const std::string& name, const std::string& taken, const std::string& use,
                     const std::string& path) {
  if (name == taken) refuse(path, "'" + name + "' is taken: it names " + use);
}

void check_part(const std::string& key, const std::string& path) {
  const std::string root = key.substr(0, key.find('.'));
  if (root != "model" && root != "data" && root != "train" && root != "evaluate")
    throw_unknown_name(path + "/" + key, "part", root, {"model", "data", "train", "evaluate"});
}

/// Changes by dotted key. A part of the configuration that is given as an object stands for the
/// keys in it: {"model": {"n_layers": 1}} is {"model.n_layers": 1}.
Changes changes_of(const json& value, const std::string& path) {
  Changes changes;
  const auto add = [&](const std::string& key, const json& item, const std::string& at) {
    check_part(key, path);
    if (item.is_object() && item.empty()) refuse(at, "is empty, so it changes nothing");
    for (const auto& [other, given] : changes)
      if (other == key) refuse(at, "changes " + key + " a second time");
    changes.emplace_back(key, item);
  };
  for (const auto& [key, item] : object_at(value, path).items()) {
    const std::string at = path + "/" + key;
    const bool whole_part = item.is_object() && key.find('.') == std::string::npos;
    if (!whole_part || item.empty()) add(key, item, at);
    if (whole_part)
      for (const auto& [inner, leaf] : item.items()) add(key + "." + inner, leaf, at + "/" + inner);
  }
  return changes;
}

/// Short form of a swept key and value: "retention=0.8".
std::string sweep_label(const std::string& key, const json& value) {
  const size_t dot = key.rfind('.');
  std::string text = unquoted(value);
  std::erase_if(text,
                [](char c) { return std::string_view("\"[]{} ").find(c) != std::string::npos; });
  return key.substr(dot == std::string::npos ? 0 : dot + 1) + "=" + text;
}

/// What one swept value changes, and how the variant is called for it.
Variant swept(const std::string& key, const json& value, const std::string& path) {
  Variant out;
  out.changes = changes_of({{key, value}}, path);
  for (const auto& [each, item] : out.changes)
    out.name += (out.name.empty() ? "" : ",") + sweep_label(each, item);
  for (const char c : out.name)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      refuse(path + "/" + key, value.dump() + " holds a control character");
  return out;
}

/// Replaces the variant by one per combination of swept values.
void expand(std::vector<Variant>& variants, const std::string& name, const json& sweep,
            const std::string& path) {
  const auto at = std::find_if(variants.begin(), variants.end(),
                               [&](const Variant& v) { return v.name == name; });
  if (at == variants.end()) {
    std::vector<std::string> names;
    for (const Variant& variant : variants) names.push_back(variant.name);
    throw_unknown_name(path, "variant", name, names);
  }
  std::vector<Variant> expanded = {*at};
  const std::string here = path + "/" + name;
  for (const auto& [key, values] : changes_of(sweep, here)) {
    if (!values.is_array() || values.empty())
      fields_detail::throw_type(here + "/" + key, "a list of values", values);
    check_distinct(values, here + "/" + key);
    std::vector<Variant> next;
    for (const Variant& variant : expanded)
      for (const json& value : values) {
        const Variant added = swept(key, value, here);
        Variant& both = next.emplace_back(variant);
        both.name += "/" + added.name;
        both.changes.insert(both.changes.end(), added.changes.begin(), added.changes.end());
      }
    expanded = next;
  }
  std::set<std::string> names;
  for (const Variant& variant : expanded)
    if (!names.insert(variant.name).second)
      refuse(here, "makes two variants of the name " + variant.name);
  const auto place = variants.erase(at);
  variants.insert(place, expanded.begin(), expanded.end());
}

/// The parts of a study that are plain fields.
struct StudyFields {
  std::string study, question, compare_to;
  json base = json::object(), variants = json::object(), sweep = json::object(),
       probes = json::object(), tune = json::object(), match = json::array(),
       claims = json::array(), comparisons = json::array(), scaling = json::object();
  std::vector<int64_t> seeds = {1};
  int64_t threads = 0;
  EquivalenceMargins equivalence;

  template <class F>
  void fields(F& f) {
    f("study", study, "name");
    f("question", question, "what it asks");
    f("base", base, "configuration that variants change");
    f("variants", variants, "name -> changes");
    f("sweep", sweep, "variant -> key -> values");
    f("probes", probes, "short trials of their own");
    f("tune", tune, "a key tuned per variant");
    f("seeds", seeds, "one trial each", within(0, 9e15));
    f("threads", threads, "of each trial", within(1, kMostThreads));
    f("compare_to", compare_to, "reference variant");
    f("comparisons", comparisons, "pairs of variants that the study compares");
    equivalence.fields(f);
    f("scaling", scaling, "curve -> variants of growing size");
    f("match", match, "what is held equal");
    f("claims", claims, "a paper's values");
  }
};

std::vector<Probe> probes_of(const json& value, const Study& study, const std::string& path) {
  std::vector<Probe> probes;
  for (const auto& [name, item] : object_at(value, path).items()) {
    const std::string at = path + "/" + name;
    check_name(name, at);
    check_free_name(name, "tune", "the trials that choose a learning rate", at);
    fields_detail::check_keys(object_at(item, at), at, {"set", "variants"});
    Probe probe{name, changes_of(item.value("set", json::object()), at + "/set"), {}};
    const json chosen = item.value("variants", json::object());
    for (const auto& [variant, changes] : object_at(chosen, at + "/variants").items()) {
      std::vector<std::string> names;
      for (const Variant& known : study.variants) names.push_back(known.name);
      if (std::find(names.begin(), names.end(), variant) == names.end())
        throw_unknown_name(at + "/variants", "variant", variant, names);
      probe.variants.push_back({variant, changes_of(changes, at + "/variants/" + variant)});
    }
    if (probe.variants.empty()) refuse(at + "/variants", "is empty; name at least one variant");
    probes.push_back(probe);
  }
  return probes;
}

Tune tune_of(const json& value, const std::string& path) {
  Tune tune;
  json tuned = object_at(value, path);
  if (tuned.contains("set")) tune.set = changes_of(tuned["set"], path + "/set");
  tuned.erase("set");
  if (tuned.contains("widen"))
    fields_detail::read_value(tuned["widen"], path + "/widen", tune.widen, within(0, 8));
  tuned.erase("widen");
  for (const auto& [key, item] : changes_of(tuned, path)) {
    if (!tune.key.empty()) refuse(path, "tunes one key; got '" + tune.key + "' and '" + key + "'");
    if (key != "train.learning_rate") refuse(path, "tunes train.learning_rate, got '" + key + "'");
    if (!item.is_array() || item.size() < 2)
      fields_detail::throw_type(path + "/" + key, "a list of two or more values", item);
    check_distinct(item, path + "/" + key);
    tune.key = key;
    tune.values.assign(item.begin(), item.end());
  }
  if (tune.key.empty() && !value.empty()) refuse(path, "lacks train.learning_rate: what to try");
  return tune;
}

void check_variant(const std::string& name, const std::vector<std::string>& names,
                   const std::string& path) {
  if (std::find(names.begin(), names.end(), name) == names.end())
    throw_unknown_name(path, "variant", name, names);
}

std::vector<std::pair<std::string, std::string>> comparisons_of(
    const json& value, const std::vector<std::string>& names, const std::string& path) {
  if (!value.is_array()) fields_detail::throw_type(path, "a list of pairs of variants", value);
  std::vector<std::pair<std::string, std::string>> out;
  for (size_t i = 0; i < value.size(); ++i) {
    const std::string at = path + "/" + std::to_string(i);
    const json& pair = value[i];
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_string() || !pair[1].is_string())
      fields_detail::throw_type(at, "two names of variants", pair);
    for (const json& name : pair) check_variant(name, names, at);
    if (pair[0] == pair[1]) refuse(at, "compares " + pair[0].get<std::string>() + " with itself");
    for (const auto& [a, b] : out)
      if ((a == pair[0] && b == pair[1]) || (a == pair[1] && b == pair[0]))
        refuse(at, "names the pair " + a + ", " + b +
                       " a second time, and p-values are corrected by the number of pairs");
    out.emplace_back(pair[0], pair[1]);
  }
  return out;
}

std::map<std::string, std::vector<std::string>> scaling_of(const json& value,
                                                           const std::vector<std::string>& names,
                                                           const std::string& reference,
                                                           const std::string& path) {
  std::map<std::string, std::vector<std::string>> out;
  int64_t n_with_reference = 0;
  for (const auto& [curve, item] : object_at(value, path).items()) {
    const std::string at = path + "/" + curve;
    check_name(curve, at);
    if (!item.is_array() || item.size() < 3 || item.size() > 5)
      fields_detail::throw_type(at, "a list of three to five variants, smallest first", item);
    for (size_t i = 0; i < item.size(); ++i) {
      const std::string place = at + "/" + std::to_string(i);
      if (!item[i].is_string()) fields_detail::throw_type(place, "the name of a variant", item[i]);
      check_variant(item[i], names, place);
      const auto& before = out[curve];
      if (std::find(before.begin(), before.end(), item[i]) != before.end())
        refuse(place, "names " + item[i].get<std::string>() + " a second time");
      n_with_reference += item[i] == reference;
      out[curve].push_back(item[i]);
    }
  }
  if (!out.empty() && n_with_reference != 1)
    refuse(path, "one curve must hold compare_to (" + reference + "), and only once");
  if (out.size() == 1) refuse(path, "holds one curve; what is it compared with?");
  return out;
}

/// A margin judges differences, so there must be some.
void check_equivalence(const Study& study, const std::string& at) {
  if (study.variants.size() > 1) return;
  if (study.equivalence.loss_nats)
    refuse(at + "/equivalence_margin", "has no effect: one variant is compared with nothing");
  if (study.equivalence.accuracy)
    refuse(at + "/equivalence_margin_accuracy",
           "has no effect: one variant is compared with nothing");
}

void check_seeds(const std::vector<int64_t>& seeds, const std::string& path) {
  if (seeds.empty()) refuse(path, "is empty; give at least one seed");
  if (std::set<int64_t>(seeds.begin(), seeds.end()).size() != seeds.size())
    refuse(path, "names a seed twice");
}

}  // namespace

Study read_study(const fs::path& path, const std::vector<std::string>& assignments,
                 std::optional<int64_t> threads) {
  Study study;
  study.file = path.string();
  if (!fs::exists(path)) refuse(study.file, "does not exist");
  StudyFields read;
  study.text = read_file(path);  // once: it may be a pipe
  const std::string at = study.file + ": ";
  read_fields(parse_json(study.text, study.file), at, read);
  for (const std::string& assignment : assignments) set_by_assignment(read.base, assignment);
  study.name = read.study;
  check_name(study.name, at + "/study");
  study.question = read.question;
  study.base = object_at(read.base, at + "/base");
  fields_detail::check_keys(study.base, at + "/base",
                            {"model", "data", "train", "evaluate", "measure"});
  if (study.base.contains("measure")) {
    study.has_measure = true;
    read_fields(study.base["measure"], at + "/base/measure", study.measure);
    check_measure(study.measure, at + "/base/measure");
    study.base.erase("measure");
  }
  // nlohmann keeps objects sorted; the study's own order is what a reader expects in the table.
  auto ordered = nlohmann::ordered_json::parse(study.text, nullptr, true, true);
  object_at(read.variants, at + "/variants");
  if (read.variants.empty()) refuse(at + "/variants", "is empty; name at least one variant");
  for (const auto& [name, changes] : ordered["variants"].items()) {
    check_name(name, at + "/variants");
    check_free_name(name, "all", "what a report says of every variant", at + "/variants");
    study.variants.push_back({name, changes_of(read.variants[name], at + "/variants/" + name)});
  }
  for (const auto& [name, sweep] : object_at(read.sweep, at + "/sweep").items())
    expand(study.variants, name, sweep, at + "/sweep");
  study.probes = probes_of(read.probes, study, at + "/probes");
  study.tune = tune_of(read.tune, at + "/tune");
  study.seeds = read.seeds;
  check_seeds(study.seeds, at + "/seeds");
  study.threads = threads.value_or(read.threads);
  std::vector<std::string> names;
  for (const Variant& variant : study.variants) names.push_back(variant.name);
  study.compare_to = read.compare_to.empty() ? names.front() : read.compare_to;
  check_variant(study.compare_to, names, at + "/compare_to");
  study.comparisons = comparisons_of(read.comparisons, names, at + "/comparisons");
  study.equivalence = read.equivalence;
  check_equivalence(study, at);
  study.scaling = scaling_of(read.scaling, names, study.compare_to, at + "/scaling");
  read_match(read.match, names, at + "/match");
  study.match = read.match;
  study.claims = read.claims;
  if (!assignments.empty() || threads) {
    ordered["base"] = read.base;
    if (threads) ordered["threads"] = *threads;
    study.text = ordered.dump(1) + "\n";
  }
  return study;
}

}  // namespace sublab
