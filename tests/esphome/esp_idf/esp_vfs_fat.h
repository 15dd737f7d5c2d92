#pragma once
#include <cstdint>
#include "driver/sdspi_host.h"
#include "sdmmc_cmd.h"
struct esp_vfs_fat_sdmmc_mount_config_t {
  bool format_if_mount_failed;
  int max_files;
};
esp_err_t esp_vfs_fat_sdspi_mount(const char *base, const sdmmc_host_t *host, const sdspi_device_config_t *slot,
                                  const esp_vfs_fat_sdmmc_mount_config_t *mount, sdmmc_card_t **card);
esp_err_t esp_vfs_fat_info(const char *base, uint64_t *total, uint64_t *free);
esp_err_t esp_vfs_fat_sdcard_unmount(const char *base, sdmmc_card_t *card);
