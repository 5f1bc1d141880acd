-- When a revision was retired: its row stays, so that whoever asks for it is told; what only it held is gone.
ALTER TABLE revision ADD COLUMN retired_at BIGINT;
