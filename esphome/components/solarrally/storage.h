#pragma once

#include <string>

#include "frame_log_logic.h"

namespace esphome::solarrally {

/// The SPI pins of the card's slot; the host has none.
struct CardPins {
  int clk = -1;
  int mosi = -1;
  int miso = -1;
  int cs = -1;
};

/// A folder, by the POSIX calls that both the ESP32's FAT and the host understand.
class FolderStorage : public ::evstation::Storage {
 public:
  explicit FolderStorage(std::string folder, const CardPins &pins = {}) : folder_(std::move(folder)), pins_(pins) {}

  /// On the ESP32 this mounts the card, again when it had been pulled.
  bool ready() override;
  bool list(std::map<std::string, int64_t> *files) override;
  bool append(const std::string &name, std::string_view data) override;
  bool read(const std::string &name, int64_t offset, size_t size, std::string *data) override;
  bool replace(const std::string &name, std::string_view data) override;
  bool remove(const std::string &name) override;
  int64_t free_bytes() override;

 protected:
  std::string path_(const std::string &name) const { return this->folder_ + "/" + name; }
  bool mount_();
  std::string folder_;
  CardPins pins_;
  /// The mounted card of ESP-IDF (`sdmmc_card_t`).
  void *card_{nullptr};
};

}  // namespace esphome::solarrally
