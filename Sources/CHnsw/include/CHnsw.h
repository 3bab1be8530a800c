#ifdef __cplusplus
extern "C" {
#endif
int chnsw_x(void);
#ifdef __cplusplus
}
#endif
