"""From a rating log to what an archive is made of: data, models, fitting, evaluation, export."""
