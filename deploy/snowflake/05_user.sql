-- The service user that replay logs in as: a key pair, no password. Put the public key in (one line, no header):
--   openssl genrsa 2048 | openssl pkcs8 -topk8 -v2 aes256 -inform PEM -out rsa_key.p8
--   openssl rsa -in rsa_key.p8 -pubout -out rsa_key.pub
CREATE USER IF NOT EXISTS EVENTREPLAY_LOADER DEFAULT_ROLE = EVENTREPLAY_LOADER DEFAULT_WAREHOUSE = EVENTREPLAY_WH;
GRANT ROLE EVENTREPLAY_LOADER TO USER EVENTREPLAY_LOADER;
-- ALTER USER EVENTREPLAY_LOADER SET RSA_PUBLIC_KEY = 'MIIBIjANBgkqh...';
-- ALTER USER EVENTREPLAY_LOADER SET NETWORK_POLICY = ...;
