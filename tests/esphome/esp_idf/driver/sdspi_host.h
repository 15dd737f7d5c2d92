#pragma once
#include "spi_common.h"
struct sdmmc_host_t {
  int slot;
};
struct sdspi_device_config_t {
  spi_host_device_t host_id;
  gpio_num_t gpio_cs;
};
#define SDSPI_DEFAULT_DMA SPI_DMA_CH_AUTO
#define SDSPI_HOST_DEFAULT() \
  { SPI2_HOST }
#define SDSPI_DEVICE_CONFIG_DEFAULT() \
  { SPI2_HOST, GPIO_NUM_NC }
