#include "actors/reporter.hpp"

#include "actors/crash.hpp"

#include <caf/actor_cast.hpp>
#include <caf/send.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <algorithm>
#include <tuple>

namespace tc::actors {

status_change compare(const trace_status& written, const trace_status& latest) {
  auto news = [](const trace_status& status) {
    return std::tie(status.uid, status.generation, status.ready, status.stalled, status.reason,
                    status.message, status.last_trace_id, status.last_export, status.delivered,
                    status.drained);
  };
  auto counts = [](const trace_status& status) {
    const auto& books = status.books;
    return std::tie(books.changes_pending, books.changes_exported, books.changes_dropped,
                    books.changes_sampled_out, status.exported_until);
  };
  if (news(written) != news(latest))
    return status_change::news;
  return counts(written) != counts(latest) ? status_change::counts : status_change::none;
}

reporter_actor::behavior_type reporter_state::make_behavior() {
  report_exceptions_as_errors(self);
  return {
      [this](status_atom, const trace_status_ptr& status) {
        memory->entries[status->namespace_name + '/' + status->name].latest = status;
        ++memory->unwritten;
        ++memory->received;
      },
      [this](drain_atom) { memory->draining = true; },
      [this](remove_atom, const std::string& key) { memory->entries.erase(key); },
      [this](sent_atom, const std::string& key, const std::string& error) {
        auto found = memory->entries.find(key);
        if (found == memory->entries.end())
          return;
        auto& entry = found->second;
        entry.under_way = false;
        if (error.empty()) {
          entry.written = std::move(entry.writing);
          entry.failures = 0;
          entry.not_before = now + spacing;
          entry.counts_not_before = now + counts_spacing;
        } else {
          auto wait = spacing * (1 << std::min(entry.failures++, 6u));
          entry.not_before = now + std::min<duration>(wait, longest_wait);
        }
        entry.writing = nullptr;
      },
      [this](tick_atom, caf::timestamp at) {
        now = at;
        if (!*write)
          return;
        std::uint64_t unwritten = 0;
        for (auto& [key, entry] : memory->entries) {
          if (!is_known(entry.known_since))
            entry.known_since = at;
          bool differs = entry.latest &&
                         (!entry.written || compare(*entry.written, *entry.latest) != status_change::none);
          if (entry.failures == 0 && (entry.under_way || differs))
            ++unwritten;
          bool in_hurry =
              (memory->draining || (entry.latest && entry.latest->drained)) && entry.failures == 0;
          if (entry.under_way || !entry.latest || (at < entry.not_before && !in_hurry))
            continue;
          // At the start the Provider and its Secrets may still be on their way: a Trace that was ready
          // before must not blink.
          if (!entry.written && !entry.latest->ready && !entry.latest->stalled &&
              at < entry.known_since + spacing)
            continue;
          auto change = entry.written ? compare(*entry.written, *entry.latest) : status_change::news;
          if (change == status_change::none ||
              (change == status_change::counts && at < entry.counts_not_before && !in_hurry))
            continue;
          entry.under_way = true;
          entry.writing = entry.latest;
          auto me = caf::actor_cast<caf::actor_addr>(self);
          (*write)(*entry.latest, [me, key = key](std::string error) {
            if (auto to = caf::actor_cast<reporter_actor>(me))
              caf::anon_send(to, sent_atom_v, key, std::move(error));
          });
        }
        memory->unwritten = unwritten;
      },
  };
}

reporter_actor::behavior_type reporter(reporter_actor::stateful_pointer<reporter_state> self,
                                       std::shared_ptr<reporter_memory> memory,
                                       std::shared_ptr<const status_writer> write) {
  self->state.memory = std::move(memory);
  self->state.write = std::move(write);
  // Whether the writes of a predecessor arrived is not known: write again.
  for (auto& [key, entry] : self->state.memory->entries) {
    entry.under_way = false;
    entry.writing = nullptr;
  }
  return self->state.make_behavior();
}

} // namespace tc::actors
