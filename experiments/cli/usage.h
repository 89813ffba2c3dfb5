// What the command line says about itself: help of nested commands, and what a wrong word may mean.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace sublab {

/// Help as CLI11 writes it; --help-all goes into nested commands too.
class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_help(const CLI::App* app, std::string name,
                        CLI::AppFormatMode mode) const override;
};

/// The unknown command or option among `words` (all that followed the program's name) with the one
/// that may be meant, or `what` when there is none.
std::string explain_usage_error(const CLI::App& app, const std::vector<std::string>& words,
                                const std::string& what);

}  // namespace sublab
