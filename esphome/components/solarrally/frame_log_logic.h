#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace evstation {

/// CRC-32 of IEEE 802.3, as zlib's `crc32`.
uint32_t crc32(std::string_view data);

/// A folder of files: the SD card, or a directory of the twin. Every call may fail.
class Storage {
 public:
  virtual ~Storage() = default;
  /// Whether a card is there and readable.
  virtual bool ready() = 0;
  /// Names and sizes of all files; the size is negative where it cannot be learned. A list that is not whole has failed.
  virtual bool list(std::map<std::string, int64_t> *files) = 0;
  /// Append and flush: once this returns true a power cut loses nothing of it.
  virtual bool append(const std::string &name, std::string_view data) = 0;
  /// Read up to `size` bytes.
  virtual bool read(const std::string &name, int64_t offset, size_t size, std::string *data) = 0;
  /// Replace a small file as a whole.
  virtual bool replace(const std::string &name, std::string_view data) = 0;
  virtual bool remove(const std::string &name) = 0;
  virtual int64_t free_bytes() = 0;
};

/// One line of the offline log (docs/protocol/offline-log.md).
std::string log_line(std::string_view frame);
/// @return whether the line (without its LF; a CR before it does not count) is whole; `frame` is then its frame
bool read_log_line(std::string_view line, std::string *frame);

enum class LogState : uint8_t { OK, MISSING, FAILED, FULL };
const char *to_text(LogState state);

/// Orders the log's files as they were written: `…-20261123-10.log` comes after `…-20261123-9.log`.
struct WrittenEarlier {
  bool operator()(const std::string &a, const std::string &b) const;
};

/// Frames that could not be sent, on the card, until they are acknowledged.
///
/// Each boot writes files of its own, so that a line torn by a power cut is always a file's last. What was sent is
/// remembered in a file beside them; when that is lost, frames are sent twice, which does no harm.
class FrameLog {
 public:
  static constexpr int64_t MAX_FILE_BYTES = 1 << 20;
  static constexpr int64_t MIN_FREE_BYTES = 4 << 20;
  static constexpr size_t MAX_LINE_BYTES = 4096;
  /// Files that are sent are kept for people up to this many files; each takes memory, and a line in what is remembered as
  /// sent. Files that wait are never dropped for their number.
  static constexpr size_t MAX_FILES = 200;
  /// What one call of `count` reads: a log of days is counted while the station works, not while it starts.
  static constexpr size_t COUNT_BYTES = 8192;

  FrameLog(Storage *storage, std::string station) : storage_(storage), station_(std::move(station)) {}

  /// Look at the card: what is there, what was sent, whether it takes anything.
  void begin();
  /// Try again after a failure. What can be read of a card that takes nothing goes on being sent.
  void recover();
  /// Count a little more of what was there before this boot. Call it often.
  void count();
  /// The time of the newest frame that an earlier boot wrote; 0 when there is none.
  int64_t newest_utc_ms() const { return this->newest_utc_ms_; }
  /// Write one frame down.
  /// @return whether it is safe on the card
  bool append(const std::string &frame, int64_t utc_ms);

  struct Batch {
    std::string name;
    int64_t end = 0;
    size_t lines = 0;
    std::vector<std::string> frames;
    bool current_boot = false;
  };
  /// The oldest frames that were not acknowledged, at most `max_frames` and `max_bytes`.
  /// @return false when there are none. A batch may have no frame: it then only holds lines that are of no use.
  bool next(size_t max_frames, size_t max_bytes, Batch *batch);
  /// The batch is acknowledged; it is not sent again.
  void sent(const Batch &batch);

  /// A card that takes nothing has failed, too.
  LogState state() const {
    return this->state_ == LogState::OK && !this->writable_ ? LogState::FAILED : this->state_;
  }
  /// Lines that wait to be sent, as far as they are counted; never 0 while there are any.
  size_t pending() const;
  /// Lines in the middle of a file whose CRC was wrong.
  uint32_t corrupt() const { return this->corrupt_; }

 protected:
  struct File {
    int64_t size = 0;
    /// Sent and acknowledged up to here.
    int64_t sent = 0;
    /// Between `sent` and `counted` there are so many lines.
    int64_t counted = 0;
    size_t lines = 0;
    /// The card has places that cannot be read; this file has one, and the others are not held up by it.
    bool unreadable = false;
  };

  /// Read of a file; one that cannot be read is left aside until the card is looked at again.
  bool read_(const std::string &name, File *file, int64_t offset, size_t size, std::string *data);
  bool ours_(const std::string &name) const;
  void find_newest_();
  bool open_(int64_t utc_ms);
  /// Remove one file: the oldest that was sent, or, if it must be, the oldest of all.
  bool drop_(bool unsent_too);
  bool make_room_();
  /// Write down what was sent, which shows, too, whether the card takes anything.
  void save_sent_();
  /// Nothing can be written for now.
  void refused_();
  void load_sent_();
  std::string sent_name_() const { return this->station_ + ".sent"; }

  Storage *storage_;
  std::string station_;
  LogState state_ = LogState::MISSING;
  bool writable_ = false;
  std::string current_;
  std::string current_day_;
  int first_number_ = 0;
  std::vector<std::string> mine_;
  std::map<std::string, File, WrittenEarlier> files_;
  int64_t newest_utc_ms_ = 0;
  uint32_t corrupt_ = 0;
};

}  // namespace evstation
