// The text of an inspection, byte by byte, coloured by how deep each token went.
#include "analysis/inspection/inspected_text_html.h"

#include <algorithm>

#include "analysis/text/format.h"
#include "core/utf8.h"

namespace sublab {
namespace {

std::string byte_sign(char byte) {
  char text[8];
  std::snprintf(text, sizeof text, "\\x%02X", static_cast<unsigned>(static_cast<uint8_t>(byte)));
  return text;
}

/// Controls and characters that show nothing or turn the direction of the text around.
bool hides(std::string_view character) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(character[i]); };
  if (character.size() == 1)
    return (byte(0) < 0x20 && byte(0) != '\n' && byte(0) != '\t') || byte(0) == 0x7f;
  if (character.size() == 2) return byte(0) == 0xc2 && (byte(1) < 0xa0 || byte(1) == 0xad);
  if (character.size() != 3) return false;
  const int code = (byte(0) & 15) << 12 | (byte(1) & 63) << 6 | (byte(2) & 63);
  return (code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
         (code >= 0x2060 && code <= 0x206f) || code == 0xfeff;
}

std::string signs(std::string_view bytes) {
  std::string out;
  for (const char byte : bytes) out += byte_sign(byte);
  return out;
}

std::string character_html(std::string_view character) {
  if (character == "\n") return "<i>↵</i>\n";
  if (character == "\t") return "<i>⇥</i>\t";
  return escaped(std::string(character));
}

/// What a token's span shows.
struct Shown {
  std::string html;
  std::string character;  ///< a character that it has only a part of
  bool joined = false;    ///< it shares a character with the next one
};

/// A character stands where its first byte is; tokens that hold later bytes of it point back to it.
std::vector<Shown> shown_tokens(const std::vector<InspectedToken>& tokens) {
  std::string text;
  std::vector<size_t> owner;  // per byte
  for (size_t i = 0; i < tokens.size(); ++i) {
    text += tokens[i].bytes;
    owner.resize(text.size(), i);
  }
  std::vector<Shown> out(tokens.size());
  for (size_t at = 0; at < text.size();) {
    const size_t length = utf8_length(text, at);
    const std::string_view piece = std::string_view(text).substr(at, std::max<size_t>(length, 1));
    const size_t first = owner[at], last = owner[at + piece.size() - 1];
    if (length == 0 || (hides(piece) && first == last)) {
      out[first].html += "<em>" + signs(piece) + "</em>";
    } else if (hides(piece)) {
      for (size_t b = at; b < at + length; ++b)
        out[owner[b]].html += "<em>" + byte_sign(text[b]) + "</em>";
    } else {
      out[first].html += character_html(piece);
    }
    for (size_t i = first; i < last; ++i) out[i].joined = true;
    if (first != last)
      for (size_t i = first; i <= last; ++i) out[i].character = piece;
    at += piece.size();
  }
  for (Shown& shown : out)
    if (shown.html.empty()) shown.html = "<i>◂</i>";
  return out;
}

/// One number per module with commas between; nothing stands where there is none.
std::string list_of(const std::vector<InspectedModule>& modules, size_t token, bool weights) {
  std::string out;
  for (size_t m = 0; m < modules.size(); ++m) {
    const double value = (weights ? modules[m].weights : modules[m].scores)[token];
    if (m > 0) out += ",";
    if (!std::isnan(value)) out += significant(value, 4);
  }
  return out;
}

/// Loss of A minus loss of B, where both have the same tokens.
double difference_at(const Inspection& inspection, size_t token) {
  if (inspection.alignment != Alignment::tokens) return kNone;
  return inspection.sides[0].tokens[token].loss - inspection.sides[1].tokens[token].loss;
}

std::string classes_of(const Inspection& inspection, size_t side, size_t i,
                       const Shading& shading) {
  const InspectedText& text = inspection.sides[side];
  const InspectedToken& token = text.tokens[i];
  std::string out = "t d" + std::to_string(shading.depth_step(token.depth));
  const auto add = [&](const std::string& name, int step) {
    out += " " + name + (step < 0 ? "u" : std::to_string(step));
  };
  add("l", shading.loss.step(token.loss));
  for (size_t m = 0; m < text.modules.size(); ++m)
    add("m" + std::to_string(m) + "-", shading.scores[side][m].step(text.modules[m].scores[i]));
  if (shading.largest_difference > 0)
    out += " x" + std::to_string(3 + shading.difference_step(difference_at(inspection, i)));
  if (i > 0 && i % static_cast<size_t>(text.window) == 0) out += " ws";
  return out;
}

std::string span(const Inspection& inspection, size_t side, size_t i, const Shown& shown,
                 const Shading& shading) {
  const InspectedText& text = inspection.sides[side];
  const InspectedToken& token = text.tokens[i];
  const auto attribute = [](const std::string& name, const std::string& value) {
    return " data-" + name + "='" + value + "'";
  };
  std::string out = "<span class='" + classes_of(inspection, side, i, shading) + "'" +
                    attribute("i", std::to_string(i)) + attribute("id", std::to_string(token.id)) +
                    attribute("b", std::to_string(token.begin)) +
                    attribute("d", std::to_string(token.depth)) +
                    attribute("c", std::to_string(static_cast<int>(token.kind)));
  if (!std::isnan(token.loss)) out += attribute("l", significant(token.loss, 4));
  if (!text.modules.empty())
    out += attribute("s", list_of(text.modules, i, false)) +
           attribute("w", list_of(text.modules, i, true));
  if (token.kind == TokenClass::boundary) return out + " data-t='⟨start⟩'><i>⟨start⟩</i></span>";
  if (token.bytes.empty()) return out + " data-t='(no text)'><i>∅</i></span>";
  if (!shown.character.empty())
    out += attribute("t", escaped(visible(token.bytes) + " of " + visible(shown.character)));
  return out + ">" + shown.html + "</span>";
}

double high_percentile(std::vector<double> values, double p, double fallback) {
  values.erase(std::remove_if(values.begin(), values.end(), [](double v) { return std::isnan(v); }),
               values.end());
  return values.empty() ? fallback : percentile(values, p);
}

}  // namespace

int Scale::step(double value) const {
  if (std::isnan(value)) return -1;
  if (high <= low) return kShades / 2;
  const double place = (value - low) / (high - low) * kShades;
  return static_cast<int>(std::clamp(place, 0.0, kShades - 1.0));
}

Shading::Shading(const Inspection& inspection) {
  std::vector<double> losses, differences;
  for (const InspectedText& side : inspection.sides) {
    deepest = std::max(deepest, side.n_levels());
    for (const InspectedToken& token : side.tokens) losses.push_back(token.loss);
    scores.emplace_back();
    for (const InspectedModule& module : side.modules)
      scores.back().push_back(
          {high_percentile(module.scores, 0.05, 0), high_percentile(module.scores, 0.95, 0)});
  }
  loss = {0, high_percentile(losses, 0.95, 1)};
  if (inspection.alignment != Alignment::tokens) return;
  for (size_t i = 0; i < inspection.sides[0].tokens.size(); ++i)
    differences.push_back(std::abs(difference_at(inspection, i)));
  largest_difference = high_percentile(differences, 0.95, 0);
}

int Shading::depth_step(int64_t depth) const {
  if (deepest == 0) return 0;
  return static_cast<int>(
      std::lround(static_cast<double>((kShades - 1) * depth) / static_cast<double>(deepest)));
}

int Shading::difference_step(double difference) const {
  if (std::isnan(difference) || largest_difference <= 0) return 0;
  return static_cast<int>(std::lround(3 * std::clamp(difference / largest_difference, -1.0, 1.0)));
}

std::string visible(const std::string& bytes) {
  std::string out;
  for (size_t at = 0; at < bytes.size();) {
    const size_t length = utf8_length(bytes, at);
    const std::string_view piece = std::string_view(bytes).substr(at, std::max<size_t>(length, 1));
    out += length == 0 || hides(piece) ? signs(piece) : std::string(piece);
    at += piece.size();
  }
  return out;
}

std::string inspected_text_html(const Inspection& inspection, size_t side, const Shading& shading) {
  const auto& tokens = inspection.sides[side].tokens;
  const std::vector<Shown> shown = shown_tokens(tokens);
  std::string out;
  bool inside = false;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (shown[i].joined && !inside) out += "<span class='g'>";
    inside = inside || shown[i].joined;
    out += span(inspection, side, i, shown[i], shading);
    if (inside && !shown[i].joined) {
      out += "</span>";
      inside = false;
    }
  }
  return out;
}

}  // namespace sublab
