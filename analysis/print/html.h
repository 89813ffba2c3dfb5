// What pages have in common: one look, light and dark, tables that sort, no network.
#pragma once

#include <string>

#include "analysis/report/report.h"

namespace sublab {

/// From the doctype to <body>; `more_style` is CSS behind the common one.
std::string page_head(const std::string& title, const std::string& more_style = "");
/// The common script, then `more_script`, and the end of the page.
std::string page_foot(const std::string& more_script = "");

/// The table under its title; `first_column` heads the names of the rows.
std::string table_html(const Table& table, const std::string& first_column);
/// Figures side by side, then `more`, which are figures too; why they are missing, where they are.
std::string figures_html(const std::vector<Figure>& figures, const std::string& more = "");
/// A list of class `kind`.
std::string list_html(const std::vector<std::string>& items, const std::string& kind);

}  // namespace sublab
