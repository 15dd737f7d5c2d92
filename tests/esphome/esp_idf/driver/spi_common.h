#pragma once
using esp_err_t = int;
constexpr esp_err_t ESP_OK = 0;
enum spi_host_device_t { SPI1_HOST, SPI2_HOST, SPI3_HOST };
enum spi_dma_chan_t { SPI_DMA_DISABLED, SPI_DMA_CH_AUTO = 3 };
enum gpio_num_t { GPIO_NUM_NC = -1, GPIO_NUM_0 };
struct spi_bus_config_t {
  int mosi_io_num, miso_io_num, sclk_io_num, quadwp_io_num, quadhd_io_num;
  int max_transfer_sz;
};
esp_err_t spi_bus_initialize(spi_host_device_t host, const spi_bus_config_t *config, spi_dma_chan_t dma);
