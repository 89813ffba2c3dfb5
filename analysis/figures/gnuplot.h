// Figures drawn by gnuplot: SVG for the page, PDF for LaTeX.
#pragma once

#include <optional>
#include <string>

#include "analysis/report/figure.h"
#include "core/files.h"

namespace sublab {

enum class FigureForm { svg, pdf };

/// What gnuplot made of a figure: its bytes, or the reason why there are none.
struct Drawing {
  std::optional<std::string> bytes;
  std::string problem;
};

/// The program: $SUBLAB_GNUPLOT, else `gnuplot` on PATH; nothing when there is none.
std::optional<fs::path> find_gnuplot();

/// The script that draws `figure` into the file `output`, data included. Texts stand in it quoted,
/// so that no name can be taken for a command or for markup.
std::string gnuplot_script(const Figure& figure, FigureForm form, const fs::path& output);

/// Runs gnuplot on the script. The same figure gives the same bytes on one machine. SVG is an
/// element to put into a page: it takes its colours from the page's --ink, --soft and --line, has
/// no background and no fixed width, and its ids begin with the figure's.
Drawing draw_figure(const Figure& figure, FigureForm form);

/// gnuplot's SVG as described above. Public for tests.
std::string themed_svg(std::string svg, const Figure& figure);

}  // namespace sublab
