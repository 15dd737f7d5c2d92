#pragma once
#include "driver/spi_common.h"
esp_err_t esp_crt_bundle_attach(void *configuration);
