#pragma once

// Feeds observations through estate, ledgers and judge in virtual time, as the actors do, and collects what
// would be exported: a change when it settles, later only spans that were not sent before.

#include "trace/estate.hpp"
#include "trace/settle.hpp"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace tc::test {

class live_replay {
public:
  explicit live_replay(trace::assembly_options options = {}, trace::estate_limits limits = {})
      : options_(options), estate_(std::move(options), limits) {}

  /// Takes a fact at its time of arrival, after what has become due before.
  void observe(const observation_ptr& fact) { observe(fact, fact->received_at); }

  /// Takes a fact that is handed in at `at`: later than it arrived, where a watch was stuck.
  void observe(const observation_ptr& fact, timestamp at) {
    advance_to(at);
    for (const auto& key : estate_.observe(fact)) {
      auto [place, opened] = open_.try_emplace(key);
      auto& change = place->second;
      if (opened)
        for (const auto& each : estate_.evidence(key))
          change.ledger.add(each);
      else
        change.ledger.add(fact);
      note_news(change);
    }
    for (const auto& key : estate_.take_reseeds())
      if (auto found = open_.find(key); found != open_.end()) {
        for (const auto& each : estate_.evidence(key))
          found->second.ledger.add(each);
        note_news(found->second);
      }
  }

  /// Lets time pass until nothing is open.
  void finish() {
    while (!open_.empty()) {
      auto next = timestamp::max();
      for (const auto& [key, change] : open_)
        next = std::min(next, change.due);
      advance_to(std::max(next, now_ + tick_)); // now may be past it, rounded up to a tick
    }
  }

  const std::vector<completed_trace>& exported() const { return exported_; }
  /// What happened, a line for each verdict that settled.
  const std::vector<std::string>& log() const { return log_; }

private:
  struct open_change {
    trace::ledger ledger;
    timestamp due = timestamp::max();
  };

  static constexpr duration tick_ = std::chrono::milliseconds{100};

  void note_news(open_change& change) { change.due = std::min(change.due, now_ + std::chrono::seconds{1}); }

  void advance_to(timestamp until) {
    if (until <= now_)
      return;
    for (;;) {
      auto due = open_.end();
      for (auto each = open_.begin(); each != open_.end(); ++each)
        if (each->second.due <= until && (due == open_.end() || each->second.due < due->second.due))
          due = each;
      if (due == open_.end())
        break;
      // Time comes in ticks.
      auto since = due->second.due.time_since_epoch();
      now_ = std::max(now_, timestamp{(since + tick_ - duration{1}) / tick_ * tick_});
      judge(due->first, due->second);
    }
    now_ = std::max(now_, until);
  }

  void judge(std::string key, open_change& change) {
    auto verdict = trace::judge(change.ledger, key, options_, now_);
    if (!verdict.settled) {
      change.due = is_known(verdict.ask_again) ? std::max(verdict.ask_again, now_ + tick_) : timestamp::max();
      return;
    }
    log_.push_back(to_rfc3339(now_) + ' ' + key + " settled " +
                   std::to_string(static_cast<int>(verdict.reason)) + (verdict.wanted ? "" : " unwanted"));
    if (verdict.wanted) {
      auto trace = trace::assemble(change.ledger, key, options_);
      auto& sent = sent_[trace.id];
      std::erase_if(trace.spans, [&](const span& each) { return !sent.insert(each.id).second; });
      if (!trace.spans.empty())
        exported_.push_back(std::move(trace));
    }
    estate_.forget(key);
    open_.erase(key);
  }

  trace::assembly_options options_;
  trace::estate estate_;
  std::map<std::string, open_change> open_;
  std::map<trace_id, std::set<span_id>> sent_;
  std::vector<completed_trace> exported_;
  std::vector<std::string> log_;
  timestamp now_;
};

} // namespace tc::test
