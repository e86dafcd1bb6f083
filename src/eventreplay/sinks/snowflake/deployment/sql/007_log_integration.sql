-- scope: account
-- option: snowpipe
-- needs: log_url storage_role_arn
-- Snowflake reads the log itself: the role needs s3:GetObject and s3:ListBucket on the log's events/ and nothing more.

CREATE STORAGE INTEGRATION IF NOT EXISTS "&{log_integration}"
  TYPE = EXTERNAL_STAGE STORAGE_PROVIDER = 'S3' ENABLED = TRUE
  STORAGE_AWS_ROLE_ARN = '&{storage_role_arn}' STORAGE_ALLOWED_LOCATIONS = ('&{log_url}events/');
GRANT USAGE ON INTEGRATION "&{log_integration}" TO ROLE "&{owner}";
