// Figures as files, for documents that take them from there.
#include "analysis/figures/figure_files.h"

#include "analysis/figures/gnuplot.h"
#include "analysis/report/report.h"

namespace sublab {

std::string write_figure_files(const Report& report, const fs::path& folder) {
  std::string problem;
  for (const Figure& figure : report.figures) {
    const fs::path path = folder / "figures" / (figure.id + ".pdf");
    const Drawing drawing = draw_figure(figure, FigureForm::pdf);
    if (drawing.bytes)
      write_file_durably(path, *drawing.bytes);
    else
      fs::remove(path);  // an old drawing would stand beside new numbers
    if (problem.empty() && !drawing.bytes) problem = drawing.problem;
  }
  return problem;
}

}  // namespace sublab
