// The table of forms.
#include "analysis/print/print.h"

#include "core/error.h"

namespace sublab {
namespace {

struct Form {
  const char* ending;
  std::string (*print)(const Report& report);
};
constexpr Form kForms[] = {{"md", report_as_markdown},
                           {"csv", report_as_csv},
                           {"json", report_as_json},
                           {"html", report_as_html},
                           {"tex", report_as_latex}};

}  // namespace

const std::vector<std::string>& report_formats() {
  static const std::vector<std::string> endings = [] {
    std::vector<std::string> out;
    for (const Form& form : kForms) out.push_back(form.ending);
    return out;
  }();
  return endings;
}

std::string report_as(const std::string& format, const Report& report) {
  for (const Form& form : kForms)
    if (form.ending == format) return form.print(report);
  throw_unknown_name("report", "format", format, report_formats());
}

}  // namespace sublab
