#include "CHnsw.h"
extern "C" int chnsw_x(void){return 1;}
