#pragma once

// What a trace actor knows of its changes: which are open, when each is judged next, what has been handed out
// under which span ID, what waits for credit or for an acknowledgement, in memory or, known by its number
// only, in the data directory. Plain state without CAF: the actor that owns it may crash and its successor
// goes on from here.

#include "actors/memory_ledger.hpp"
#include "messages/actors.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace tc::actors {

/// In which bucket of the books a change stands.
enum class change_bucket : std::uint8_t {
  pending,     ///< open, or settled and not yet acknowledged
  exported,    ///< acknowledged at least once
  history,     ///< had settled before this process began to watch
  sampled_out, ///< by spec.sampling
  filtered,    ///< nothing that the Trace selects took it
  dropped,     ///< refused by the backend, or its assembly kept crashing
};

/// One change of one Trace resource.
struct change_entry {
  std::string key;
  observation_batch evidence;           ///< its ledger, until the change has settled; without what is packed
  std::vector<packed_facts_ptr> packed; ///< the earlier part of it; where there is some, it has a revision
                                        ///< actor only while it is judged
  bool open = false;                    ///< has a revision actor, or waits for its restart
  bool judging = false;                 ///< a judge message is under way
  bool closing = false;                 ///< … as if its time were over
  bool news = false;                    ///< evidence came since the last judge message
  timestamp deadline;                   ///< when to judge next; unknown for never
  timestamp last_news;                  ///< arrival of the latest evidence
  timestamp news_since;      ///< arrival of the oldest that may add to what was handed out; unknown for none
  timestamp restart_at;      ///< of a revision actor that crashed; unknown for none
  unsigned crashes = 0;      ///< of its revision actor, in a row
  timestamp opened_at;       ///< arrival of the fact that opened it; unknown when a list brought it
  timestamp first_activity;  ///< as last judged
  timestamp last_activity;   ///< likewise
  std::size_t judged_by = 0; ///< how many observations it was last judged by
  bool faded = false;        ///< it is judged again, by less than before: memory is bounded
  change_bucket bucket = change_bucket::pending;
  /// Span ID to a fingerprint of what was handed out under it.
  std::unordered_map<span_id, std::size_t> handed_out;
};

/// A trace that was handed out and of which the exporter has not yet reported.
struct submission {
  std::uint64_t number = 0;
  std::string key;
  completed_trace_ptr trace; ///< without its spans while `spilled`
  bool under_way = false;    ///< with the exporter; otherwise it waits for credit
  bool whole = false;        ///< of a settled change; otherwise what is finished of an open one
  bool spilled = false;      ///< its spans are in the data directory only
  bool reading = false;      ///< they have been asked for
  std::size_t spans = 0;
  memory_ledger::charge_ptr charge = nullptr; ///< while its spans are in memory; null without a ledger
  std::string kept_by = {}; ///< the rule of spec.sampling that kept it; "" of an earlier process
};

/// What is to be known of a trace that is spilled.
struct trace_summary {
  std::vector<std::pair<span_id, std::size_t>> prints; ///< of each span, its ID and fingerprint
  timestamp first_activity;
};
trace_summary summary_of(const completed_trace& trace);
/// Returns the trace without its spans: what logs and the status need of it.
completed_trace_ptr header_of(const completed_trace& trace);

/// A change has come to another bucket of the books.
struct bucket_move {
  std::string key;
  change_bucket to = change_bucket::pending;
  std::string label;  ///< exported: the outcome; dropped, history, sampled out, filtered: the reason
  std::string detail; ///< dropped: what the backend said; holds no secret
};

/// What to do after a change was reported as settled.
enum class settle_action : std::uint8_t { submit, nothing_new, history, sampled_out, filtered };

class change_table {
public:
  /// Changes whose latest news is older than this are forgotten once their fate is known.
  static constexpr duration linger = std::chrono::hours{1};
  /// A fact is written before it arrives; a watch that lags longer than this is beyond us.
  static constexpr duration longest_lag = std::chrono::minutes{1};
  /// At most this many changes whose fate is known are remembered.
  static constexpr std::size_t max_remembered = 4096;
  /// A change whose revision actor crashed this often in a row is dropped.
  static constexpr unsigned max_crashes = 5;

  /// What is held from now on is charged to that ledger, as of the Trace of that UID.
  void charge_to(std::shared_ptr<memory_ledger> ledger, std::string owner) {
    ledger_ = std::move(ledger);
    owner_ = std::move(owner);
  }

  /// Returns the entry of that key, or nullptr.
  change_entry* find(const std::string& key);

  /// Returns the entry of that key, made as an open change when there was none or it had been retired, and
  /// whether it was opened by this call.
  std::pair<change_entry*, bool> open(const std::string& key);

  /// Gives a change that has just been opened what is retained of it.
  void seed(change_entry& entry, observation_batch evidence);

  /// Packs what open changes know, of the quietest first, until as many bytes of observations are packed or
  /// nothing worth it is left. Returns their keys: they need no revision actor until they are judged.
  std::vector<std::string> pack_quietest(std::size_t bytes, timestamp now);
  /// Returns the whole ledger of a change; nothing when a part of it is lost.
  std::optional<observation_batch> evidence_of(const change_entry& entry) const;
  /// Of the observations in what is packed of a change.
  class packed_prints {
  public:
    explicit packed_prints(const change_entry& entry);
    bool contain(const observation& fact) const;

  private:
    std::vector<std::size_t> all_; ///< sorted
  };
  /// Gives up an open change, as its ledger is lost.
  void lose(change_entry& entry);

  /// Notes that evidence arrived at `now`; the change is judged once it has been quiet for `settle_after`.
  void note_news(change_entry& entry, timestamp now, duration settle_after);

  /// Returns the keys that are due at `now`, the first of them first, and marks them as being judged; no more
  /// than `most` are judged at a time.
  std::vector<std::string> take_due(timestamp now,
                                    std::size_t most = std::numeric_limits<std::size_t>::max());
  /// Marks the open changes that have been quiet for longest, a share of them, as being judged as if their
  /// time were over, and returns their keys: the process is too large.
  std::vector<std::string> close_quietest(std::size_t one_in);
  /// Returns when the next of them is due; nothing while none will be.
  std::optional<timestamp> next_due() const {
    return deadlines_.empty() ? std::nullopt : std::optional{deadlines_.begin()->first};
  }
  /// Returns whether time alone will bring something to do: a judgement or the restart of a revision actor.
  bool waits_for_time() const { return !deadlines_.empty() || !restarts_.empty(); }
  /// Returns how many changes are being judged.
  std::size_t judging() const { return judging_; }
  /// Returns the keys whose crashed revision actor may start again at `now`.
  std::vector<std::string> take_restarts(timestamp now);

  /// Takes over what a revision actor concluded. `settled_before` is when watching began, less the backfill:
  /// a change whose last activity is older is history. Returns what the caller has to do; with `submit`, the
  /// trace with what is new in it has been queued.
  settle_action conclude(const change_report& report, const trace_resource& spec, timestamp settled_before,
                         timestamp now);

  /// Returns the next submission that waits for credit and marks it as under way; nullptr when there is none,
  /// or the ledger has no room for another with the exporter.
  submission* next_to_submit();
  /// Marks everything under way as waiting again: the exporter is another one now.
  void take_back_submissions();

  /// Lets go of the spans of a submission that waits: they are in the data directory.
  void spill(std::uint64_t number);
  /// Takes the spans of a spilled submission, as they were read back. Returns it, nullptr when nobody asked.
  submission* read_back(std::uint64_t number, completed_trace_ptr trace);
  submission* find_submission(std::uint64_t number);
  /// Gives up a submission that waits, or cannot be read back; its change is dropped when nothing else is
  /// known of it. Its spans are new once more: what comes of the change later has them too. Returns what it
  /// was.
  std::optional<submission> drop_submission(std::uint64_t number, const std::string& reason);
  /// Returns the numbers of what waits of a change and is not with the exporter.
  std::vector<std::uint64_t> waiting_of(const std::string& key) const;
  /// Returns which of these cannot be sent without what was given up: all, where that had the root, else what
  /// has a span under one of its spans.
  std::vector<std::uint64_t> left_hanging_by(const submission& lost) const;
  /// Returns the moves between buckets since the last call.
  std::vector<bucket_move> take_moves() { return std::exchange(moves_, {}); }

  /// Another process has delivered spans, and all of what was last active before `quiet_before` where that is
  /// known: they are taken out of the submissions from number `first` on. Returns those of which nothing is
  /// left. What is under way is left alone.
  std::vector<submission>
  settle_elsewhere(const std::function<bool(const trace_id&, const span_id&)>& delivered,
                   timestamp quiet_before, std::uint64_t first = 0);

  /// Returns until when nothing is pending: what was quiet before that time has its fate, additions too.
  /// `now` when nothing is pending; nothing while there are pending changes of unknown age.
  std::optional<timestamp> nothing_pending_before(timestamp now) const;

  /// Returns since when no change has been open: what was quiet before has its fate, or is a submission.
  /// `now` when none is; nothing while the age of one is not known.
  std::optional<timestamp> nothing_open_before(timestamp now) const;

  /// Takes over a submission of an earlier process: its change was open then, and is not now.
  void restore(submission what, const trace_summary& of);
  /// Returns what was handed out last, nullptr when nothing waits for a report.
  const submission* latest_submission() const {
    return submissions_.empty() ? nullptr : &submissions_.rbegin()->second;
  }

  /// Takes over the exporter's report. Returns the submission it was about.
  std::optional<submission> acknowledge(const delivery_report& report);

  /// Returns how many changes have no known fate and take memory: those that only wait in the data directory
  /// are not among them.
  std::size_t live() const;
  /// Gives up the pending change that has been quiet for longest, because there are too many; returns its
  /// key, or nothing when all of them are handed out and wait for the backend.
  std::optional<std::string> drop_quietest();

  /// The revision actor of that change crashed at `now`. Returns whether the change was dropped for it.
  bool crashed(const std::string& key, timestamp now);

  /// Lets go of the ledger of a settled change of which no news waits. Returns whether it did: its revision
  /// actor is no longer needed. What was handed out stays as a submission; new evidence opens it again.
  bool retire_if_quiet(const std::string& key);

  /// Forgets what has been quiet for `linger`, or is too much; returns the keys.
  std::vector<std::string> forget_old(timestamp now);

  /// A crash of the trace actor forgets which messages were under way: everything open is judged again.
  void recover();

  const trace_books& books() const { return books_; }
  void count_observations(std::size_t count) { books_.observations += count; }
  std::size_t submissions_waiting() const { return submissions_.size(); }
  std::size_t submissions_spilled() const { return spilled_; }
  /// Returns the keys of all open changes.
  std::vector<std::string> open_keys() const;

private:
  /// The earliest first activity of the changes that count, `now` where there is none; nothing while there
  /// are such of unknown age.
  std::optional<timestamp> before_all(timestamp now, bool (*counts)(const change_entry&)) const;
  void schedule(change_entry& entry, timestamp at);
  void set_judging(change_entry& entry, bool value);
  void move_to(change_entry& entry, change_bucket bucket, std::string label, std::string detail = {});
  std::uint64_t& count_of(change_bucket bucket);
  void retire(change_entry& entry);
  void hold(submission& what) const;
  bool pack(change_entry& entry);
  void note_spilled(const submission& what, int by);

  std::unordered_map<std::string, change_entry> entries_;
  std::set<std::pair<timestamp, std::string>> deadlines_;
  std::set<std::pair<timestamp, std::string>> restarts_;
  std::deque<std::string> known_; ///< keys whose fate is known, oldest first
  std::map<std::uint64_t, submission> submissions_;
  std::uint64_t next_submission_ = 1;
  std::size_t spilled_ = 0;
  std::size_t changes_spilled_ = 0; ///< those of them that are all that there is of a change
  std::size_t judging_ = 0;
  std::shared_ptr<memory_ledger> ledger_; ///< null: nothing is bounded
  std::string owner_;
  std::vector<bucket_move> moves_;
  trace_books books_;
};

/// A hash over everything a backend would see of the span.
std::size_t fingerprint(const span& value);

} // namespace tc::actors
