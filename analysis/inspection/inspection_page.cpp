// The page: its style, its switches, the order of its parts.
#include "analysis/inspection/inspection_page.h"

#include <algorithm>
#include <cstdio>

#include "analysis/text/format.h"

namespace sublab {
namespace {

// One hue, light to dark; its strength is chosen so that the ink keeps a contrast of 4.5 and more.
constexpr const char* kStyle = R"(
:root{--hue:0,114,178;--other:213,94,0;--k:1}
@media(prefers-color-scheme:dark){:root{--hue:86,180,233;--other:240,140,50;--k:.9}}
h2.name{font-size:1.3rem;border-bottom:1px solid var(--line);overflow-wrap:anywhere}
ul.warnings{list-style:none;padding:.5rem .8rem;border-left:4px solid rgb(var(--other))}
ul.facts{overflow-wrap:anywhere}
.loupe{margin-top:1.2rem}
.loupe h2{margin:.2rem 0;overflow-wrap:anywhere}
.note{margin:.2rem 0;color:var(--soft);font-size:.88rem}
.sides{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,560px),1fr));gap:0 2rem}
.side{min-width:0}
.modes{border:0;padding:0;margin:.4rem 0;display:flex;flex-wrap:wrap;gap:.2rem 1rem}
.modes legend{float:left;padding:0;margin-right:1rem;color:var(--soft)}
.modes label{white-space:nowrap;cursor:pointer;padding:.15rem 0}
.key{display:none;flex-wrap:wrap;gap:.2rem .9rem;font-size:.85rem;color:var(--soft);margin:.3rem 0 .5rem;align-items:center}
.key i{display:inline-block;width:1.2em;height:1.2em;border:1px solid var(--line);vertical-align:-.25em;margin-right:.35em}
.key .run i{margin:0;border-left-width:0}.key .run i:first-child{border-left-width:1px;margin-left:.35em}.key .run i:last-child{margin-right:.35em}
.key b{font-weight:400;border-left:3px solid rgb(var(--other));padding-left:.35em}
.text{position:relative;contain:content;white-space:break-spaces;overflow-wrap:anywhere;overflow-y:auto;max-height:62vh;padding:.6rem .8rem;border:1px solid var(--line);font:14px/1.75 ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace;print-color-adjust:exact;-webkit-print-color-adjust:exact}
.text:focus-visible{outline:2px solid rgb(var(--hue));outline-offset:1px}
.t{padding:.15em 0;cursor:default;border-radius:2px;box-shadow:inset -1px 0 var(--paper)}
.t i{font-style:normal;opacity:.6;user-select:none;-webkit-user-select:none}
.t em{font-style:normal;font-size:.8em;color:rgb(var(--other))}
.g{border-bottom:2px solid var(--soft);white-space:nowrap}
.ws{border-left:3px solid rgb(var(--other))}
.t.on{outline:2px solid var(--ink);outline-offset:0}
.readout{position:sticky;bottom:0;z-index:2;background:var(--paper);border:1px solid var(--line);border-top:2px solid var(--ink);padding:.5rem .8rem;min-height:4.4em;font-size:.9rem;font-variant-numeric:tabular-nums;margin-top:.4rem}
.readout p{margin:.1rem 0;overflow-wrap:anywhere}
.readout code{font:600 1em ui-monospace,Menlo,Consolas,monospace;background:rgba(var(--hue),.18);padding:0 .25em;white-space:pre-wrap}
.figures{margin-top:1.8rem}.figures figure{max-width:660px}
svg .kept{fill:rgb(var(--hue))}svg .dropped{fill:none;stroke:var(--soft)}
@media(max-width:700px){body{padding:1rem .8rem 3rem}.text{max-height:55vh;font-size:13px;padding:.5rem}.readout{font-size:.84rem;padding:.4rem .5rem}}
@media print{.text{max-height:none;overflow:visible}.readout,.modes{display:none}}
)";

constexpr const char* kScript = R"(
(()=>{const box=document.querySelector('.loupe'),out=box.querySelector('.readout'),texts=[...box.querySelectorAll('.text')],
lists=texts.map(x=>[...x.querySelectorAll('.t')]),kinds=box.dataset.kinds.split(', ');
const mode=()=>{box.dataset.mode=box.querySelector('.modes input:checked').value};
box.querySelector('.modes').addEventListener('change',mode);mode();
const add=(to,tag,text)=>{const e=document.createElement(tag);e.textContent=text;to.append(e);return e};
const shown=e=>e.dataset.t||e.textContent.replace(/↵\n/g,'↵').replace(/⇥\t/g,'⇥').replace(/ /g,'␣');
const partner=(e,s)=>{if(texts.length<2||box.dataset.align==='none')return null;const other=lists[1-s];
if(box.dataset.align==='tokens')return other[+e.dataset.i];
if(e.dataset.i==='0')return other[0];
let lo=1,hi=other.length-1;while(lo<hi){const m=(lo+hi+1)>>1;if(+other[m].dataset.b<=+e.dataset.b)lo=m;else hi=m-1}return other[lo]};
const line=(e,s)=>{const p=document.createElement('p'),d=e.dataset,x=texts[s].dataset,levels=x.levels?x.levels.split(','):[];
if(texts.length>1)add(p,'b',(s?'B':'A')+' ');add(p,'code',shown(e));
const parts=['position '+d.i+(+d.i>=+x.window?' ('+d.i%x.window+' in its window)':''),kinds[d.c],'id '+d.id,'byte '+d.b,'depth '+d.d];
if(levels.length){const scores=d.s.split(','),weights=d.w.split(',');levels.forEach((l,m)=>parts.push('module '+m+' (level '+l+'): '+
(scores[m]?'score '+scores[m]+(weights[m]?', kept with weight '+weights[m]:', dropped'):weights[m]?'no scorer, all enter':'not scored')))}
parts.push(d.l?'loss '+d.l+' nats':'not predicted');
p.append(' '+parts.join(' · '));return p};
let on=[];
const reveal=(e,s)=>{const x=texts[s];if(e.offsetTop<x.scrollTop||e.offsetTop+e.offsetHeight>x.scrollTop+x.clientHeight)x.scrollTop=e.offsetTop-x.clientHeight/2};
const show=(e,keys)=>{const s=texts.findIndex(x=>x.contains(e));on.forEach(o=>o.classList.remove('on'));
const both=[];both[s]=e;const p=partner(e,s);if(p){both[1-s]=p;reveal(p,1-s)}if(keys)reveal(e,s);
on=both.filter(Boolean);on.forEach(o=>o.classList.add('on'));
out.replaceChildren(...both.map((o,i)=>o&&line(o,i)).filter(Boolean))};
const follow=v=>{const e=v.target.closest('.t');if(e&&!e.classList.contains('on')||e&&v.type==='click')show(e)};
for(const kind of['pointerover','click'])box.querySelector('.sides').addEventListener(kind,follow);
box.addEventListener('keydown',v=>{const s=texts.indexOf(v.target);if(s<0||v.ctrlKey||v.altKey||v.metaKey)return;const list=lists[s],now=list.findIndex(e=>e.classList.contains('on'));
const to={ArrowRight:now+1,ArrowLeft:now-1,Home:0,End:list.length-1}[v.key];if(to===undefined)return;
v.preventDefault();show(list[Math.min(Math.max(to,0),list.length-1)],true)});
texts.forEach((x,s)=>x.addEventListener('focus',()=>{if(x.matches(':focus-visible')&&!lists[s].some(e=>e.classList.contains('on')))show(lists[s][0],true)}));
})();
)";

size_t most_modules(const Inspection& inspection) {
  size_t out = 0;
  for (const InspectedText& side : inspection.sides) out = std::max(out, side.modules.size());
  return out;
}

bool scores_in(const InspectedText& side, size_t module) {
  return module < side.modules.size() && side.modules[module].has_scores();
}

bool any_scores(const Inspection& inspection, size_t module) {
  return std::any_of(inspection.sides.begin(), inspection.sides.end(),
                     [&](const InspectedText& side) { return scores_in(side, module); });
}

std::string key(const std::string& mode, const std::string& inside) {
  return "<div class='key' data-for='" + mode + "'>" + inside + "</div>";
}

std::string swatch(const std::string& shade) { return "<i class='" + shade + "'></i>"; }

/// "low [shades] high".
std::string run_of(const std::string& name, int n, const std::string& low,
                   const std::string& high) {
  std::string out = "<span class='run'>" + low;
  for (int step = 0; step < n; ++step) out += swatch(name + std::to_string(step));
  return out + high + "</span>";
}

std::string rule(const std::string& mode, const std::string& shade, const std::string& colour,
                 double strength) {
  char text[200];
  std::snprintf(text, sizeof text,
                "[data-mode=%s] .%s{background:rgba(var(--%s),calc(%.3f*var(--k)))}\n",
                mode.c_str(), shade.c_str(), colour.c_str(), strength);
  return text;
}

}  // namespace

std::string inspection_style(const Inspection& inspection) {
  constexpr double kStrongest = 0.56;
  std::string out = kStyle;
  std::vector<std::pair<std::string, std::string>> modes = {{"depth", "d"}, {"loss", "l"}};
  for (size_t m = 0; m < most_modules(inspection); ++m)
    modes.emplace_back("m" + std::to_string(m), "m" + std::to_string(m) + "-");
  for (const auto& [mode, name] : modes) {
    for (int step = 1; step < kShades; ++step)
      out += rule(mode, name + std::to_string(step), "hue", kStrongest * step / (kShades - 1));
    out += "[data-mode=" + mode + "] .key[data-for=" + mode + "]{display:flex}\n";
    out += "[data-mode=" + mode + "] ." + name + "u{color:var(--soft)}\n";
  }
  for (int step = 1; step <= 3; ++step) {
    out += rule("difference", "x" + std::to_string(3 - step), "hue", kStrongest * step / 3);
    out += rule("difference", "x" + std::to_string(3 + step), "other", kStrongest * step / 3);
  }
  return out + "[data-mode=difference] .key[data-for=difference]{display:flex}\n";
}

std::string inspection_script() { return kScript; }

std::string mode_buttons(const Inspection& inspection, const Shading& shading) {
  std::string out = "<fieldset class='modes'><legend>Shade by</legend>";
  const auto add = [&](const std::string& value, const std::string& text) {
    out += "<label><input type='radio' name='mode' value='" + value + "'" +
           (value == "depth" ? " checked" : "") + "> " + text + "</label>";
  };
  add("depth", "depth");
  for (size_t m = 0; m < most_modules(inspection); ++m)
    if (any_scores(inspection, m))
      add("m" + std::to_string(m), "score, module " + std::to_string(m));
  add("loss", "loss");
  if (shading.largest_difference > 0) add("difference", "difference in loss");
  return out + "</fieldset>";
}

std::string legends(const Inspection& inspection, size_t side, const Shading& shading) {
  const InspectedText& text = inspection.sides[side];
  const bool windows = static_cast<int64_t>(text.tokens.size()) > text.window;
  const std::string border = windows ? "<b>a window begins</b>" : "";
  std::string depths;
  for (int64_t depth = 0; depth <= text.n_levels(); ++depth)
    depths += "<span>" + swatch("d" + std::to_string(shading.depth_step(depth))) +
              (depth == 0 ? text.modules.empty() ? "no levels to enter" : "0: outer blocks only"
                          : std::to_string(depth) + ": entered level " + std::to_string(depth)) +
              "</span>";
  std::string out = key("depth", depths + border);
  for (size_t m = 0; m < most_modules(inspection); ++m) {
    std::string inside = "<span>no scores here</span>";
    if (scores_in(text, m)) {
      const Scale& scale = shading.scores[side][m];
      inside = run_of("m" + std::to_string(m) + "-", kShades, "≤ " + significant(scale.low, 3),
                      "≥ " + significant(scale.high, 3)) +
               "<span>pale letters: not scored</span>";
    }
    out += key("m" + std::to_string(m), inside + border);
  }
  out += key("loss", run_of("l", kShades, "0", "≥ " + significant(shading.loss.high, 3) + " nats") +
                         border);
  if (shading.largest_difference <= 0) return out;
  const std::string most = significant(shading.largest_difference, 3) + " nats";
  return out + key("difference",
                   run_of("x", 7, "A better by ≥ " + most, "B better by ≥ " + most) + border);
}

std::string score_histogram(const InspectedModule& module) {
  constexpr int kBars = 30;
  constexpr double kWidth = 640, kHeight = 240, kLeft = 60, kBottom = 40, kTop = 22;
  std::vector<double> scores;
  for (const double score : module.scores)
    if (!std::isnan(score)) scores.push_back(score);
  // 0, the threshold, falls between two bars. The few scores beyond 99 % stand in the last bars.
  const double low = percentile(scores, 0.005), high = percentile(scores, 0.995);
  const double width = high > low ? (high - low) / kBars : 1;
  const double first = std::floor(low / width);
  const int n = static_cast<int>(std::floor(high / width) - first) + 1;
  std::vector<double> kept(static_cast<size_t>(n)), dropped(static_cast<size_t>(n));
  double most = 1;
  for (size_t i = 0; i < module.scores.size(); ++i) {
    if (std::isnan(module.scores[i])) continue;
    // A score of 0 is not above the threshold.
    const double place = std::ceil(module.scores[i] / width) - 1 - first;
    const auto bar = static_cast<size_t>(std::clamp(place, 0.0, n - 1.0));
    ++(std::isnan(module.weights[i]) ? dropped : kept)[bar];
    most = std::max(most, kept[bar] + dropped[bar]);
  }
  const double step = (kWidth - kLeft - 10) / n, unit = (kHeight - kTop - kBottom) / most;
  std::string out = "<svg viewBox='0 0 640 240' role='img' aria-label='histogram of scores'>";
  char text[300];
  const auto bar = [&](const char* kind, int b, double count, double below) {
    if (count == 0) return;
    std::snprintf(
        text, sizeof text, "<rect class='%s' x='%.1f' y='%.1f' width='%.1f' height='%.1f'/>", kind,
        kLeft + b * step + 1, kHeight - kBottom - (below + count) * unit, step - 2, count * unit);
    out += text;
  };
  const auto label = [&](double x, double y, const char* anchor, const std::string& words) {
    std::snprintf(text, sizeof text, "<text x='%.1f' y='%.1f' text-anchor='%s'>", x, y, anchor);
    out += text + words + "</text>";
  };
  for (int b = 0; b < n; ++b) {
    bar("kept", b, kept[static_cast<size_t>(b)], 0);
    bar("dropped", b, dropped[static_cast<size_t>(b)], kept[static_cast<size_t>(b)]);
  }
  const double floor_y = kHeight - kBottom;
  std::snprintf(text, sizeof text, "<path class='axis' fill='none' d='M%.1f %.1fH%.1f'/>", kLeft,
                floor_y, kWidth - 10);
  out += text;
  label(kLeft, floor_y + 16, "start", significant(first * width, 3));
  label(kWidth - 10, floor_y + 16, "end", significant((first + n) * width, 3));
  label(kLeft - 6, kTop + 8, "end", fixed(most, 0));
  label(kLeft - 6, floor_y, "end", "0");
  const double zero = kLeft - first * step;
  if (zero >= kLeft && zero <= kWidth - 10) {
    std::snprintf(text, sizeof text,
                  "<path class='axis' fill='none' stroke-dasharray='4 3' d='M%.1f %.1fV%.1f'/>",
                  zero, kTop - 6, floor_y);
    out += text;
    label(zero, kTop - 10, "middle", "threshold");
  }
  label((kLeft + kWidth) / 2, kHeight - 6, "middle",
        "score; filled: kept, hollow: dropped; height: tokens");
  return out + "</svg>";
}

}  // namespace sublab
