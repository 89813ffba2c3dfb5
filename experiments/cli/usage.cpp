// Help pages, and what a user meant who mistyped an option.
#include "experiments/cli/usage.h"

#include "core/error.h"

namespace sublab {
namespace {

std::vector<const CLI::App*> named_commands(const CLI::App& app) {
  std::vector<const CLI::App*> out;
  for (const CLI::App* command : app.get_subcommands({}))
    if (!command->get_name().empty() && !command->get_group().empty()) out.push_back(command);
  return out;
}

/// "--threads" of every option of the command, those of its groups too.
void collect_options(const CLI::App& app, std::vector<std::string>& out) {
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) out.push_back("--" + name);
  for (const CLI::App* group : app.get_subcommands({}))
    if (group->get_name().empty()) collect_options(*group, out);
}

std::string meant(const std::string& kind, const std::string& given,
                  const std::vector<std::string>& known) {
  const std::string near = nearest_name(given, known);
  return near.empty() ? "" : "unknown " + kind + " '" + given + "'; did you mean '" + near + "'?";
}

}  // namespace

std::string HelpFormatter::make_help(const CLI::App* app, std::string name,
                                     CLI::AppFormatMode mode) const {
  std::string out = CLI::Formatter::make_help(app, name, mode);
  if (mode != CLI::AppFormatMode::Sub) return out;
  for (const CLI::App* nested : named_commands(*app))
    out += "\n" + app->get_name() + " " + make_help(nested, nested->get_name(), mode);
  return out;
}

std::string explain_usage_error(const CLI::App& app, const std::vector<std::string>& words,
                                const std::string& what) {
  const CLI::App* command = &app;
  size_t at = 0;
  for (bool down = true; down && at < words.size();) {
    down = false;
    for (const CLI::App* nested : named_commands(*command))
      if (nested->get_name() == words[at]) {
        command = nested;
        down = true;
      }
    at += down;
  }
  std::vector<std::string> commands, options;
  for (const CLI::App* nested : named_commands(*command)) commands.push_back(nested->get_name());
  if (!commands.empty() && at < words.size() && !words[at].starts_with("-")) {
    const std::string text = meant("command", words[at], commands);
    return text.empty() ? "unknown command '" + words[at] + "'" : text;
  }
  collect_options(*command, options);
  for (; at < words.size() && words[at] != "--"; ++at) {
    const std::string given = words[at].substr(0, words[at].find('='));
    if (!given.starts_with("--") ||
        std::find(options.begin(), options.end(), given) != options.end())
      continue;
    if (const std::string text = meant("option", given, options); !text.empty()) return text;
  }
  return what;
}

}  // namespace sublab
