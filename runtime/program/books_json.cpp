#include "runtime/program/books_json.hpp"

#include <nlohmann/json.hpp>

namespace tc::runtime {

namespace {

bool adds_up(const trace_books& books) {
  return books.changes_opened == books.changes_exported + books.changes_history + books.changes_sampled_out +
                                     books.changes_filtered + books.changes_dropped + books.changes_pending +
                                     books.changes_handed_over;
}

bool adds_up(const exporter_books& books) {
  return books.spans_submitted ==
         books.spans_delivered + books.spans_duplicate + books.spans_dropped + books.spans_pending;
}

} // namespace

bool balanced(const controller_books& books) {
  for (const auto& [name, trace] : books.traces)
    if (!adds_up(trace))
      return false;
  for (const auto& [name, exporter] : books.exporters)
    if (!adds_up(exporter))
      return false;
  return adds_up(books.departed);
}

std::string books_json(const controller_books& books, const std::optional<store::journal_books>& stored) {
  nlohmann::json out{
      {"observations", books.observations}, {"observationsUnrouted", books.observations_unrouted},
      {"actorRestarts", books.restarts},    {"balanced", balanced(books)},
      {"traces", nlohmann::json::object()}, {"exporters", nlohmann::json::object()}};
  auto written = [](const trace_books& trace) {
    return nlohmann::json{{"observations", trace.observations},
                          {"opened", trace.changes_opened},
                          {"exported", trace.changes_exported},
                          {"history", trace.changes_history},
                          {"sampledOut", trace.changes_sampled_out},
                          {"filtered", trace.changes_filtered},
                          {"dropped", trace.changes_dropped},
                          {"pending", trace.changes_pending},
                          {"waiting", trace.traces_waiting},
                          {"stranded", trace.traces_stranded},
                          {"spilled", trace.traces_spilled},
                          {"spansDropped", trace.spans_dropped},
                          {"spansExported", trace.spans_exported},
                          {"spansLate", trace.spans_late},
                          {"spansFaded", trace.spans_faded},
                          {"reopened", trace.changes_reopened},
                          {"revisionRestarts", trace.restarts},
                          {"handedOver", trace.changes_handed_over},
                          {"balanced", adds_up(trace)}};
  };
  for (const auto& [name, trace] : books.traces)
    out["traces"][name] = written(trace);
  out["deletedTraces"] = written(books.departed);
  for (const auto& [name, exporter] : books.exporters)
    out["exporters"][name] = {
        {"submitted", exporter.spans_submitted}, {"delivered", exporter.spans_delivered},
        {"duplicate", exporter.spans_duplicate}, {"rejected", exporter.spans_rejected},
        {"dropped", exporter.spans_dropped},     {"pending", exporter.spans_pending},
        {"attempts", exporter.attempts},         {"failedAttempts", exporter.failed_attempts},
        {"lastError", exporter.last_error},      {"backendAway", exporter.backend_away},
        {"balanced", adds_up(exporter)}};
  if (stored)
    out["dataDirectory"] = {{"bytes", stored->stored.bytes},
                            {"observations", stored->stored.observations},
                            {"traces", stored->stored.traces},
                            {"sentSpans", stored->stored.sent_spans},
                            {"observationsWaiting", stored->observations_waiting},
                            {"tracesWaiting", stored->traces_waiting},
                            {"pruned", stored->stored.pruned},
                            {"evicted", stored->stored.evicted},
                            {"lost", stored->observations_lost},
                            {"commits", stored->commits},
                            {"failedWrites", stored->failed_writes},
                            {"filesDamaged", stored->files_set_aside},
                            {"problem", stored->problem}};
  return out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + '\n';
}

} // namespace tc::runtime
