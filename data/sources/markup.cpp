// Mark-up to plain text, line by line.
#include <string>

#include "data/sources/sources.h"
#include "data/sources/text_cleaning.h"

namespace sublab {

using cleaning::is_rule;
using cleaning::lines_of;
using cleaning::replace_pairs;
using cleaning::tidy;
using cleaning::trimmed;

namespace {

std::string itself(std::string_view inner) { return std::string(inner); }

/// "text <target>" -> "text".
std::string without_target(std::string_view inner) {
  const size_t target = inner.rfind(" <");
  return std::string(
      target != std::string_view::npos && inner.ends_with('>') ? inner.substr(0, target) : inner);
}

/// :role:`text` -> text, ``code`` -> code, `text <url>`_ -> text, **strong** -> strong.
std::string clean_rst_line(std::string_view raw) {
  std::string line = replace_pairs(raw, "``", "``", itself);
  for (size_t tick = line.find(":`"); tick != std::string::npos; tick = line.find(":`", tick + 1)) {
    const size_t role = line.rfind(':', tick - (tick > 0));
    if (role == std::string::npos || role == tick) continue;
    const std::string_view name = std::string_view(line).substr(role + 1, tick - role - 1);
    if (name.find_first_of(" `") != std::string_view::npos) continue;
    line.erase(role, tick - role + 1);
    tick = role;
  }
  line = replace_pairs(line, "`", "`", [](std::string_view inner) {
    if (inner.starts_with('~') || inner.starts_with('!')) inner.remove_prefix(1);
    return without_target(inner);
  });
  return replace_pairs(line, "**", "**", itself);
}

}  // namespace

std::string clean_rst(const std::string& text) {
  std::string out;
  bool options = false;  // ":name: value" lines that follow a directive
  for (const std::string_view line : lines_of(text)) {
    const std::string_view body = trimmed(line);
    if (options && body.starts_with(':') && body.find(':', 1) != std::string_view::npos) continue;
    options = false;
    if (body.starts_with(".. ") || body == "..") {
      options = true;
      const size_t mark = body.find(":: ");
      // What a function or class directive declares is text; other directives and comments are not.
      const bool declares =
          mark != std::string_view::npos && body.find('(') != std::string_view::npos;
      if (declares)
        out.append(line.substr(0, line.find(".."))).append(body.substr(mark + 3)).append("\n");
      continue;
    }
    if (is_rule(line, 3) || body == "::") continue;
    out.append(clean_rst_line(body.ends_with("::") ? line.substr(0, line.rfind("::") + 1) : line))
        .append("\n");
  }
  return tidy(out);
}

std::string clean_markdown(const std::string& text) {
  std::string out;
  for (std::string_view line : lines_of(text)) {
    if (is_rule(line, 3)) continue;
    while (line.starts_with('#')) line.remove_prefix(1);
    std::string plain = replace_pairs(line, "[", "]", itself);
    plain = replace_pairs(plain, "(http", ")", [](std::string_view) { return ""; });
    plain = replace_pairs(plain, "<", ">", [](std::string_view) { return ""; });
    for (const char* mark : {"**", "__", "_", "*"})
      plain = replace_pairs(plain, mark, mark, itself);
    std::string unescaped;
    for (size_t i = 0; i < plain.size(); ++i)
      if (plain[i] != '\\' || i + 1 == plain.size() ||
          std::isalnum(static_cast<unsigned char>(plain[i + 1])))
        unescaped.push_back(plain[i]);
    out.append(trimmed(unescaped)).append("\n");
  }
  return tidy(out);
}

std::string clean_plain(const std::string& text) {
  std::string out;
  for (const std::string_view line : lines_of(text)) {
    const std::string_view body = trimmed(line);
    const bool macro = body.starts_with("[[") || body.starts_with("include::") ||
                       body.starts_with("ifdef::") || body.starts_with("ifndef::") ||
                       body.starts_with("endif::") || body.starts_with("//") || body == "+";
    if (macro || is_rule(line, 3)) continue;
    out.append(replace_pairs(line, "linkgit:", "]",
                             [](std::string_view inner) {
                               const size_t bracket = inner.find('[');
                               return std::string(inner.substr(0, bracket)) + "(" +
                                      std::string(bracket == std::string_view::npos
                                                      ? ""
                                                      : inner.substr(bracket + 1)) +
                                      ")";
                             }))
        .append("\n");
  }
  return tidy(out);
}

namespace {

std::string pod_inner(char kind, const std::string& inner) {
  if (kind == 'X' || kind == 'Z') return "";
  if (kind == 'E')
    return inner == "lt"       ? "<"
           : inner == "gt"     ? ">"
           : inner == "verbar" ? "|"
           : inner == "sol"    ? "/"
                               : "";
  if (kind == 'L') {
    const size_t bar = inner.find('|');
    std::string shown = inner.substr(0, bar);
    if (bar == std::string::npos && shown.starts_with('/')) shown.erase(0, 1);
    return shown;
  }
  return inner;
}

/// Formatting codes such as C<code> and L<text|target>, nested; "C<< a > b >>" as well.
std::string clean_pod_codes(const std::string& text, size_t& at, const std::string& until) {
  std::string out;
  while (at < text.size()) {
    if (!until.empty() && text.compare(at, until.size(), until) == 0) {
      at += until.size();
      return out;
    }
    const bool code = std::string_view("IBCLEFSXZ").find(text[at]) != std::string_view::npos &&
                      at + 1 < text.size() && text[at + 1] == '<';
    if (!code) {
      out.push_back(text[at++]);
      continue;
    }
    const char kind = text[at++];
    size_t angles = 0;
    while (at < text.size() && text[at] == '<') ++angles, ++at;
    if (angles > 1 && at < text.size() && text[at] == ' ') ++at;
    const std::string close = (angles > 1 ? " " : "") + std::string(angles, '>');
    out += pod_inner(kind, clean_pod_codes(text, at, close));
  }
  return out;
}

}  // namespace

std::string clean_pod(const std::string& text) {
  std::string out;
  bool skipping = false;  // a section about authors or rights, or a =begin block for another format
  for (const std::string_view line : lines_of(text)) {
    if (!line.starts_with('=')) {
      if (!skipping) out.append(line).append("\n");
      continue;
    }
    const size_t space = std::min(line.find(' '), line.size());
    const std::string_view command = line.substr(1, space - 1), rest = trimmed(line.substr(space));
    if (command == "begin") skipping = true;
    if (command == "end") skipping = false;
    if (command.starts_with("head")) {
      skipping =
          rest.starts_with("AUTHOR") || rest.starts_with("COPYRIGHT") || rest.starts_with("LICEN");
      if (!skipping) out.append("\n").append(rest).append("\n\n");
    } else if (command == "item" && !skipping && rest != "*") {
      out.append(rest.starts_with("* ") ? rest.substr(2) : rest).append("\n");
    }
  }
  size_t at = 0;
  return tidy(clean_pod_codes(out, at, ""));
}

}  // namespace sublab
