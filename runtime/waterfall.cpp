#include "runtime/waterfall.hpp"

#include "runtime/span_rows.hpp"
#include "runtime/time_axis.hpp"
#include "runtime/utf8.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <string_view>
#include <vector>

namespace tc::runtime {

namespace {

constexpr std::size_t number_columns = 7; ///< of start and of duration
constexpr std::size_t least_bar_columns = 12;

// -- how things look ------------------------------------------------------------

enum class tone : unsigned char { plain, good, bad, pending, dim, strong };

std::string painted(std::string_view text, tone how, bool color) {
  if (!color || how == tone::plain || text.empty())
    return std::string{text};
  std::string_view code;
  switch (how) {
  case tone::good:
    code = "32";
    break;
  case tone::bad:
    code = "31";
    break;
  case tone::pending:
    code = "33";
    break;
  case tone::dim:
    code = "2";
    break;
  case tone::strong:
    code = "1";
    break;
  case tone::plain:
    break;
  }
  return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

struct glyphs {
  std::string_view succeeded;
  std::string_view failed;
  std::string_view superseded;
  std::string_view incomplete;
  std::string_view branch;   ///< before a child with siblings below
  std::string_view corner;   ///< before the last child
  std::string_view trunk;    ///< below a child with siblings below
  std::string_view blank;    ///< below the last child
  std::string_view ellipsis; ///< for what was cut out
  std::string_view phase;    ///< before a step, which has no outcome of its own
  std::string_view arrow;    ///< from a wait to what waited
  std::string_view dot;      ///< between facts of the header
};

constexpr glyphs unicode_glyphs{"✓", "✗", "↷", "…", "├─", "└─", "│ ", "  ", "…", "·", " → ", " · "};
constexpr glyphs ascii_glyphs{"+", "x", ">", "?", "|- ", "`- ", "|  ", "   ", "..", ".", " > ", ", "};

/// Commit hashes and digests at the length that people compare by eye.
std::string with_short_hashes(std::string_view text) {
  constexpr std::size_t shown = 10;
  std::string out;
  std::size_t i = 0;
  auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  while (i < text.size()) {
    auto end = i;
    while (end < text.size() && is_hex(text[end]))
      ++end;
    out += text.substr(i, end - i >= 32 ? shown : std::max<std::size_t>(end - i, 1));
    i = std::max(end, i + 1);
  }
  return out;
}

std::string one_line(std::string_view text) {
  std::string out;
  for (auto c : printable(text))
    if (c != ' ' || (!out.empty() && out.back() != ' '))
      out += c;
  while (out.ends_with(' '))
    out.pop_back();
  return out;
}

// -- what a row says ------------------------------------------------------------

/// What a row is called, in parts so that shortening spares what tells rows apart.
struct label {
  std::string before; ///< mark and kind
  std::string name;
  std::string after; ///< attempt, action, outcome

  std::size_t columns() const {
    return display_columns(before) + display_columns(name) + display_columns(after);
  }
  std::string in(std::size_t most, std::string_view ellipsis) const {
    constexpr std::size_t least_name = 6;
    auto around = display_columns(before) + display_columns(after);
    if (around + least_name <= most)
      return before + shorten_middle(name, most - around, ellipsis) + after;
    return shorten_middle(before + name + after, most, ellipsis);
  }
};

struct drawing {
  const completed_trace& trace;
  const waterfall_style& style;
  const glyphs& signs;
  span_index by_id;

  label label_of(const span& x) const;
  std::string_view mark_of(const span& x) const;
  tone tone_of(const span& x) const;
  std::string note_of(const span& x) const;
  std::string prefix_of(const span_row& x, std::size_t most) const;
  std::string below_prefix_of(const span_row& x, std::size_t most) const;
  std::string name_of(const span& x) const;
};

/// The object's name, with its namespace unless that is the root's, which goes without saying.
std::string drawing::name_of(const span& x) const {
  auto name = printable(x.text("k8s.resource.name"));
  auto home = printable(x.text("k8s.namespace.name"));
  return home.empty() || home == trace.root.namespace_name || name.empty() ? name : home + '/' + name;
}

label drawing::label_of(const span& x) const {
  auto mark = std::string{mark_of(x)} + ' ';
  auto kind = printable(x.text("k8s.resource.kind"));
  auto role = x.text("flux.span.kind");
  if (is_phase(x)) {
    if (const auto* waited = what_waited(x, by_id); waited != nullptr && !name_of(*waited).empty())
      return {mark + printable(x.name) + std::string{signs.arrow}, name_of(*waited), ""};
    return {mark, printable(x.name), ""};
  }
  if (kind.empty() || name_of(x).empty() || role == "notification" || role == "commit")
    return {mark, printable(x.name), ""};
  label out{mark + kind + ' ', name_of(x), ""};
  auto action = x.text("flux.action");
  if (!action.empty() && action != "reconcile")
    out.after += ' ' + printable(action);
  if (const auto* attempt = x.find("flux.attempt"))
    if (const auto* number = std::get_if<std::int64_t>(attempt); number != nullptr && *number > 1)
      out.after += fmt::format(" #{}", *number);
  if (const auto* changed = x.find("flux.changed"))
    if (const auto* flag = std::get_if<bool>(changed); flag != nullptr && !*flag)
      out.after += " (unchanged)";
  auto outcome = x.text("flux.outcome");
  if (outcome == "incomplete" || outcome == "superseded")
    out.after += " (" + std::string{outcome} + ')';
  return out;
}

std::string_view drawing::mark_of(const span& x) const {
  auto outcome = x.text("flux.outcome");
  // The root carries the status of the whole change, which the header shows; the source itself did its part.
  bool is_root_source = x.parent.is_zero() && x.text("flux.span.kind") == "source";
  if (outcome == "failed" || (outcome.empty() && x.status == span_status::error && !is_root_source))
    return signs.failed;
  if (outcome == "superseded")
    return signs.superseded;
  if (outcome == "incomplete")
    return signs.incomplete;
  return is_phase(x) ? signs.phase : signs.succeeded;
}

tone drawing::tone_of(const span& x) const {
  auto mark = mark_of(x);
  if (mark == signs.failed)
    return tone::bad;
  if (mark == signs.superseded || mark == signs.incomplete)
    return tone::pending;
  return is_phase(x) ? tone::dim : tone::good;
}

/// Why a span did not simply succeed: reason and message.
std::string drawing::note_of(const span& x) const {
  auto outcome = x.text("flux.outcome");
  if (mark_of(x) != signs.failed && outcome != "superseded" && outcome != "incomplete")
    return {};
  auto reason = one_line(x.text("flux.reason"));
  auto message = one_line(x.status_message);
  return reason.empty() || message.empty() ? reason + message : reason + ": " + message;
}

/// The lines of the tree before a label, cut on the left when they would take more than `most` columns.
std::string drawing::prefix_of(const span_row& x, std::size_t most) const {
  std::string out;
  auto levels = x.has_sibling_below.size();
  for (std::size_t i = 0; i < levels; ++i)
    if (i + 1 < levels)
      out += x.has_sibling_below[i] ? signs.trunk : signs.blank;
    else
      out += x.has_sibling_below[i] ? signs.branch : signs.corner;
  while (display_columns(out) > most)
    out.erase(0, first_code_point(out).length);
  return out;
}

/// The lines of the tree before a note under that label.
std::string drawing::below_prefix_of(const span_row& x, std::size_t most) const {
  std::string out;
  for (auto more : x.has_sibling_below)
    out += more ? signs.trunk : signs.blank;
  out += x.has_children ? signs.trunk : signs.blank;
  while (display_columns(out) > most)
    out.erase(0, first_code_point(out).length);
  return out;
}

// -- the lines ------------------------------------------------------------------

std::string padded(std::string text, std::size_t columns) {
  auto used = display_columns(text);
  return used < columns ? std::move(text) + std::string(columns - used, ' ') : text;
}

std::string right_aligned(const std::string& text, std::size_t columns) {
  auto used = display_columns(text);
  return used < columns ? std::string(columns - used, ' ') + text : text;
}

std::string header_of(const drawing& d, timestamp begin, timestamp end, std::size_t width) {
  const auto& trace = d.trace;
  auto is_good = trace.outcome == "succeeded";
  auto is_bad = trace.outcome == "failed";
  auto how = is_good ? tone::good : is_bad ? tone::bad : tone::pending;
  auto mark = is_good                         ? d.signs.succeeded
              : is_bad                        ? d.signs.failed
              : trace.outcome == "superseded" ? d.signs.superseded
                                              : d.signs.incomplete;
  auto key = with_short_hashes(printable(trace.change_key));
  auto revision = with_short_hashes(printable(trace.revision));
  auto title = revision.find(key) != std::string::npos ? revision
               : revision.empty()                      ? key
                                                       : key + "  " + revision;
  auto outcome = printable(trace.outcome) + " in " + short_duration(end - begin);
  auto failed = std::count_if(trace.spans.begin(), trace.spans.end(),
                              [](const span& x) { return x.text("flux.outcome") == "failed"; });
  constexpr std::size_t least_title = 22;
  auto attempts = fmt::format(" after {} failed attempt{}", failed, failed == 1 ? "" : "s");
  auto used = display_columns(mark) + 1 + 2 + display_columns(outcome);
  if (is_good && failed > 0 && used + attempts.size() + least_title <= width) {
    outcome += attempts;
    used += attempts.size();
  }
  title = shorten_middle(title, width > used ? width - used : 1, d.signs.ellipsis);
  auto out = painted(mark, how, d.style.color) + ' ' + painted(title, tone::strong, d.style.color) + "  " +
             painted(outcome, how, d.style.color) + '\n';

  std::vector<std::string> facts{"trace " + trace.id.to_hex()};
  if (trace.addition)
    facts.emplace_back("addition");
  facts.push_back(fmt::format("{} span{}", trace.spans.size(), trace.spans.size() == 1 ? "" : "s"));
  if (!trace.spans.empty())
    facts.push_back(to_rfc3339(std::chrono::floor<std::chrono::seconds>(begin)));
  if (!trace.root.name.empty())
    facts.push_back(printable(trace.root.to_string()));
  if (!trace.trace_name.empty())
    facts.push_back(printable("Trace " + trace.trace_namespace + '/' + trace.trace_name));
  std::string line = "  " + facts.front();
  for (std::size_t i = 1; i < facts.size(); ++i) {
    auto longer = line + std::string{d.signs.dot} + facts[i];
    if (display_columns(longer) > width)
      break;
    line = std::move(longer);
  }
  return out + painted(line, tone::dim, d.style.color) + '\n';
}

} // namespace

std::string render_waterfall(const completed_trace& trace, const waterfall_style& style) {
  auto width = std::max<std::size_t>(style.width, 40);
  drawing d{trace, style, style.unicode ? unicode_glyphs : ascii_glyphs, {}};
  auto begin = trace.spans.empty() ? timestamp{} : trace.spans.front().start;
  auto end = begin;
  for (const auto& x : trace.spans) {
    d.by_id.emplace(x.id, &x);
    begin = std::min(begin, x.start);
    end = std::max({end, x.start, x.end});
  }
  auto out = header_of(d, begin, end, width);
  if (trace.spans.empty())
    return out;

  auto rows = rows_of(trace.spans, d.by_id);
  auto hidden = style.max_spans != 0 && rows.size() > style.max_spans ? rows.size() - style.max_spans : 0;
  rows.resize(rows.size() - hidden);

  // The names get what they need, but leave the bars about half of the line.
  constexpr std::size_t tree_most = 24;
  auto numbers = 2 * (number_columns + 1) + 2;
  auto names_most = std::max<std::size_t>((width - numbers) / 2, 40);
  names_most = std::min(names_most, width - numbers - least_bar_columns);
  auto prefix_most = std::min(tree_most, names_most / 2);
  std::vector<std::pair<std::string, std::string>> names; // lines of the tree, label
  std::size_t name_columns = 0;
  for (const auto& x : rows) {
    auto prefix = "  " + d.prefix_of(x, prefix_most);
    auto room = names_most - std::min(names_most, display_columns(prefix));
    auto text = d.label_of(*x.what).in(room, d.signs.ellipsis);
    name_columns = std::max(name_columns, display_columns(prefix) + display_columns(text));
    names.emplace_back(std::move(prefix), std::move(text));
  }
  time_axis axis{begin, end, width - name_columns - numbers, style.unicode};

  out += painted(padded("", name_columns) + right_aligned("start", number_columns + 1) +
                     right_aligned("took", number_columns + 1) + "  " + axis.ruler(),
                 tone::dim, style.color) +
         '\n';
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto& x = *rows[i].what;
    auto how = d.tone_of(x);
    auto name_tone = how == tone::good ? tone::plain : how;
    const auto& [prefix, text] = names[i];
    auto kind = is_wait(x) ? bar_kind::wait : is_phase(x) ? bar_kind::phase : bar_kind::work;
    auto bar = axis.draw(x.start, x.end, kind);
    auto mark = d.mark_of(x);
    out += painted(prefix, tone::dim, style.color);
    if (how == tone::good && text.starts_with(mark))
      out += painted(mark, how, style.color) + text.substr(mark.size());
    else
      out += painted(text, name_tone, style.color);
    out += std::string(name_columns - display_columns(prefix) - display_columns(text), ' ');
    out +=
        painted(right_aligned(short_duration(x.start - begin), number_columns + 1), tone::dim, style.color);
    out += painted(right_aligned(short_duration(x.end - x.start), number_columns + 1),
                   is_phase(x) ? tone::dim : tone::plain, style.color);
    out += "  " + std::string(bar.left, ' ') + painted(bar.glyphs, how, style.color) + '\n';
    if (auto note = d.note_of(x); !note.empty()) {
      auto under = "  " + d.below_prefix_of(rows[i], prefix_most);
      out += painted(under, tone::dim, style.color);
      out += painted(shorten_end(note, width - display_columns(under), d.signs.ellipsis), how, style.color) +
             '\n';
    }
  }
  if (hidden > 0)
    out += painted(fmt::format("  {} and {} more spans", d.signs.ellipsis, hidden), tone::dim, style.color) +
           '\n';
  return out;
}

} // namespace tc::runtime
