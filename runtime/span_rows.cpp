#include "runtime/span_rows.hpp"

#include <algorithm>
#include <set>
#include <tuple>
#include <unordered_map>
#include <utility>

namespace tc::runtime {

namespace {

using span_list = std::vector<const span*>;

/// By start; a wait stands right before what waited.
void sort_for_reading(span_list& spans, const span_index& by_id) {
  auto key = [&](const span* x) {
    const auto* waited = what_waited(*x, by_id);
    return waited != nullptr ? std::tuple{waited->start, waited->end, waited->id, 0, x->start, x->id}
                             : std::tuple{x->start, x->end, x->id, 1, x->start, x->id};
  };
  std::sort(spans.begin(), spans.end(), [&](const span* a, const span* b) { return key(a) < key(b); });
}

} // namespace

bool is_phase(const span& x) {
  return x.text("flux.span.kind") == "phase";
}

bool is_wait(const span& x) {
  return is_phase(x) && (x.name.starts_with("wait") || x.name.starts_with("queue"));
}

const span* what_waited(const span& x, const span_index& by_id) {
  if (!is_wait(x) || x.links.empty())
    return nullptr;
  auto found = by_id.find(x.links.front().span);
  return found == by_id.end() ? nullptr : found->second;
}

std::vector<span_row> rows_of(const std::vector<span>& spans, const span_index& by_id) {
  std::unordered_map<span_id, span_list> children;
  span_list roots;
  for (const auto& x : spans)
    if (x.parent.is_zero() || by_id.count(x.parent) == 0)
      roots.push_back(&x);
    else
      children[x.parent].push_back(&x);
  sort_for_reading(roots, by_id);
  for (auto& [parent, list] : children)
    sort_for_reading(list, by_id);

  std::vector<span_row> out;
  std::set<const span*> drawn;
  auto walk = [&](const span* top) {
    // A stack of our own: how deep a trace is, others decide.
    std::vector<span_row> open{span_row{top, 0, {}, false}};
    while (!open.empty()) {
      auto next = std::move(open.back());
      open.pop_back();
      if (!drawn.insert(next.what).second)
        continue;
      if (auto found = children.find(next.what->id); found != children.end()) {
        const auto& list = found->second;
        next.has_children = true;
        for (auto child = list.rbegin(); child != list.rend(); ++child) {
          span_row below{*child, next.depth + 1, next.has_sibling_below, false};
          // Levels beyond what any line can show are not remembered one by one.
          if (below.depth <= 64)
            below.has_sibling_below.push_back(child != list.rbegin());
          open.push_back(std::move(below));
        }
      }
      out.push_back(std::move(next));
    }
  };
  for (const auto* root : roots)
    walk(root);
  for (const auto& x : spans)
    if (drawn.count(&x) == 0)
      walk(&x);
  return out;
}

} // namespace tc::runtime
